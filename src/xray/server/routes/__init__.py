"""The routes, one module a noun; each names its operations in `OPERATIONS`."""
