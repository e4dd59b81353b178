"""What a test of an instrumented pipeline needs: a sink, a clock, a disk, a faulty server."""

from xray.testing.clock import FakeClock
from xray.testing.disk import FakeDisk, FakeFiles, ProcessDiedError
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
    "FakeDisk",
    "FakeFiles",
    "Fault",
    "FaultServer",
    "Hang",
    "MemorySink",
    "ProcessDiedError",
    "RefuseFacts",
    "RefuseLargeBodies",
    "RejectFacts",
    "SeenRequest",
    "Slow",
    "Trickle",
    "Truncate",
]
