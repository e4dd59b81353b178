"""What a test of an instrumented pipeline needs: a sink; a clock, disk, network, server, proxy."""

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
from xray.testing.memory_server import MemoryServer
from xray.testing.network import (
    BadCertificate,
    CutRequest,
    FakeNetwork,
    FakeTransport,
    Late,
    NetworkFault,
    Refuse,
    Repeat,
    Unresolved,
)
from xray.testing.proxy import FaultProxy
from xray.testing.server import FaultServer, SeenRequest
from xray.testing.sink import MemorySink
from xray.testing.wire_faults import (
    AnswerTwice,
    Break,
    Delay,
    Drip,
    Garbage,
    WireFault,
)

__all__ = [
    "Answer",
    "AnswerTwice",
    "BadCertificate",
    "Break",
    "CutRequest",
    "Delay",
    "Drip",
    "DropConnection",
    "FakeClock",
    "FakeDisk",
    "FakeFiles",
    "FakeNetwork",
    "FakeTransport",
    "Fault",
    "FaultProxy",
    "FaultServer",
    "Garbage",
    "Hang",
    "Late",
    "MemoryServer",
    "MemorySink",
    "NetworkFault",
    "ProcessDiedError",
    "Refuse",
    "RefuseFacts",
    "RefuseLargeBodies",
    "RejectFacts",
    "Repeat",
    "SeenRequest",
    "Slow",
    "Trickle",
    "Truncate",
    "Unresolved",
    "WireFault",
]
