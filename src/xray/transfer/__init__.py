"""Runs from one store to another, or into a folder of Parquet files and back, compared."""
