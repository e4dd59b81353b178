"""What is unusual about a run, held against the weeks before it."""
