"""X-Ray: decision forensics for pipelines that generate, retrieve, filter, rank and select."""
