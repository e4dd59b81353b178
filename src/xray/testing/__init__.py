"""What a test of an instrumented pipeline needs: a sink in memory, a clock, a faulty server."""

from xray.testing.clock import FakeClock
from xray.testing.sink import MemorySink

__all__ = ["FakeClock", "MemorySink"]
