"""The read API for coding agents, over the Model Context Protocol; needs the `mcp` extra."""
