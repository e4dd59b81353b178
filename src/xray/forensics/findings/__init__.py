"""What about a run deserves a look by its own records, and where to look first."""
