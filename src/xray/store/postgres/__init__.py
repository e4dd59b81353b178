"""Runs, steps and decisions in PostgreSQL, for several servers at once."""
