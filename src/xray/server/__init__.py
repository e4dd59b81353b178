"""The HTTP API: routes, guards and one error shape over a store."""
