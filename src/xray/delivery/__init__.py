"""The road from the pipeline's process to a server: never waits, never raises, counts losses."""
