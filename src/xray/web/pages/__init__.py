"""One module a page: what it asks, and what it makes of the answer."""
