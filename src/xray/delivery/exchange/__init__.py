"""One request and its answer: what is sent, over which connection, and what the answer means."""
