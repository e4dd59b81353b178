"""The rules of pipelines over many runs: which never act, which act alone, which changed."""
