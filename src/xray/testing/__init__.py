"""What a test of an instrumented pipeline needs: a sink in memory, a clock, a faulty server."""

from xray.testing.clock import FakeClock
from xray.testing.faults import (
    Answer,
    DropConnection,
    Fault,
    Hang,
    RefuseFacts,
    RefuseLargeBodies,
    RejectFacts,
    Slow,
    Trickle,
    Truncate,
)
from xray.testing.server import FaultServer, SeenRequest
from xray.testing.sink import MemorySink

__all__ = [
    "Answer",
    "DropConnection",
    "FakeClock",
    "Fault",
    "FaultServer",
    "Hang",
    "MemorySink",
    "RefuseFacts",
    "RefuseLargeBodies",
    "RejectFacts",
    "SeenRequest",
    "Slow",
    "Trickle",
    "Truncate",
]
