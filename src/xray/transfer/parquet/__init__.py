"""A folder of Parquet files that holds what a store knows, for other programs and to go back."""
