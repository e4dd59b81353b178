"""A network in memory, on a clock that a test moves: it loses, delays, doubles and reorders."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from xray.delivery.exchange.transport import Answer as Reply
from xray.delivery.exchange.transport import TransportError
from xray.testing.clock import FakeClock
from xray.testing.faults import Answer, DropConnection, Hang, Slow, Trickle, Truncate

Serve = Callable[[bytes, Mapping[str, str]], Reply]
"""What a server makes of a body and its headers."""

_HEAD_BYTES = 100


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing listens: the connection is refused."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The server's name is not known."""


@dataclass(frozen=True, slots=True)
class BadCertificate:
    """The server shows a certificate that nobody vouches for."""


@dataclass(frozen=True, slots=True)
class CutRequest:
    """The connection breaks while the body is sent.

    Args:
        share: how much of the body arrives.
    """

    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Repeat:
    """The request arrives twice, and the second answer is the one that is heard."""


@dataclass(frozen=True, slots=True)
class Late:
    """The client gives up, and the request arrives *seconds* later, after others sent since."""

    seconds: float = 10.0


NetworkFault = (
    Answer
    | Hang
    | Trickle
    | Slow
    | DropConnection
    | Truncate
    | Refuse
    | Unresolved
    | BadCertificate
    | CutRequest
    | Repeat
    | Late
)


@dataclass(frozen=True, slots=True)
class _Straggler:
    due_s: float
    body: bytes
    headers: Mapping[str, str]


class FakeNetwork:
    """Carries requests of any number of clients to one server, and misbehaves as told.

        clock = FakeClock()
        server = MemoryServer(clock)
        network = FakeNetwork(clock, server.answer)
        network.script(Refuse(), DropConnection(has_stored=True))
        delivery = Delivery(settings, lambda _: network.transport())

    Faults of `script` are used up one a request; `always` holds until it is changed. Whatever takes
    time moves the clock.

    Args:
        clock: moved by requests that take time.
        serve: the server.
    """

    def __init__(self, clock: FakeClock, serve: Serve) -> None:
        self._clock = clock
        self._serve = serve
        self._script: deque[NetworkFault | None] = deque()
        self._always: NetworkFault | None = None
        self._stragglers: list[_Straggler] = []
        self.requests = 0

    def transport(self) -> FakeTransport:
        """What one client posts with."""
        return FakeTransport(self)

    def script(self, *faults: NetworkFault | None) -> None:
        """Let the next requests meet *faults*, one each; None is good service."""
        self._script.extend(faults)

    def always(self, fault: NetworkFault | None) -> None:
        """Let every request meet *fault*, until it is None."""
        self._always = fault

    def recover(self) -> None:
        """No fault holds any more, and what was late arrives."""
        self._script.clear()
        self._always = None
        self._let_arrive(float("inf"))

    def exchange(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Reply:
        """Carry one request; raises TransportError where no answer comes within *deadline_s*."""
        self.requests += 1
        self._let_arrive(self._clock.monotonic_s())
        fault = self._script.popleft() if self._script else self._always
        if isinstance(fault, (Refuse, Unresolved, BadCertificate)):
            raise _no_connection(fault)
        if isinstance(fault, (Hang, Late, CutRequest, DropConnection)):
            raise self._go_silent(fault, body, headers, deadline_s)
        if isinstance(fault, Answer):
            return Reply(fault.status, fault.body, fault.headers.get("Retry-After"))
        reply = self._serve(body, headers)
        if isinstance(fault, Repeat):
            reply = self._serve(body, headers)
        if isinstance(fault, Truncate):
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        if isinstance(fault, Slow):
            self._pass(fault.seconds, deadline_s)
        elif isinstance(fault, Trickle):
            self._pass(fault.seconds * (_HEAD_BYTES + len(reply.body)), deadline_s)
        return reply

    def _go_silent(
        self,
        fault: Hang | Late | CutRequest | DropConnection,
        body: bytes,
        headers: Mapping[str, str],
        deadline_s: float,
    ) -> TransportError:
        if isinstance(fault, Late):
            due_s = self._clock.monotonic_s() + fault.seconds
            self._stragglers.append(_Straggler(due_s, body, headers))
        elif isinstance(fault, CutRequest):
            self._serve(body[: int(len(body) * fault.share)], headers)
        elif isinstance(fault, DropConnection) and fault.has_stored:
            self._serve(body, headers)
        elif isinstance(fault, Hang):
            self._clock.advance(min(fault.seconds, deadline_s))
            return TransportError("ReadTimeoutError")
        return TransportError("ProtocolError: Connection reset by peer")

    def _pass(self, seconds: float, deadline_s: float) -> None:
        self._clock.advance(min(seconds, deadline_s))
        if seconds > deadline_s:
            raise TransportError("ReadTimeoutError")

    def _let_arrive(self, now_s: float) -> None:
        due = [straggler for straggler in self._stragglers if straggler.due_s <= now_s]
        self._stragglers = [each for each in self._stragglers if each.due_s > now_s]
        for straggler in due:
            self._serve(straggler.body, straggler.headers)


def _no_connection(fault: Refuse | Unresolved | BadCertificate) -> TransportError:
    if isinstance(fault, Refuse):
        return TransportError("NewConnectionError: Connection refused")
    if isinstance(fault, Unresolved):
        return TransportError("NameResolutionError")
    return TransportError("TLS: SSLError", is_lasting=True)


class FakeTransport:
    """One client's way into a `FakeNetwork`; satisfies `xray.delivery.exchange.transport`.

    Args:
        network: what carries its requests.
    """

    def __init__(self, network: FakeNetwork) -> None:
        self._network = network
        self.is_closed = False

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Reply:
        """Post *body*; raises TransportError when nothing answers in time."""
        self.is_closed = False
        return self._network.exchange(body, headers, deadline_s)

    def close(self) -> None:
        """Give back what is open."""
        self.is_closed = True
