"""Benchmarks: each module prints a table of figures against their budgets."""
