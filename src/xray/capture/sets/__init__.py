"""Verbs that decide about many candidates at once, for lists, arrays, frames and tables."""
