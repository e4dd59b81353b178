"""What choices that were made for a stated reason rest on: what was offered, and what was said."""
