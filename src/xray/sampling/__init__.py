"""Keeps a share of the runs, and those that matter, and adds up the others."""
