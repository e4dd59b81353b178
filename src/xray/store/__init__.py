"""Durable state behind one protocol; a URL chooses the engine."""
