"""What happens to a connection, and to the bytes it carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xray.testing.faults import Answer
from xray.testing.network import Late, Repeat


@dataclass(frozen=True, slots=True)
class Break:
    """The connection breaks after so many bytes of one direction.

    Args:
        side: the bytes of which direction are counted.
        after_bytes: so many arrive.
        way: `reset` and `close` end the connection, with or without what TCP has for that;
            `half_close` ends this direction alone; `hang` carries nothing more of it.
    """

    side: Literal["request", "answer"]
    after_bytes: int = 0
    way: Literal["reset", "close", "half_close", "hang"] = "reset"


@dataclass(frozen=True, slots=True)
class Drip:
    """One direction passes a few bytes at a time.

    Args:
        side: which direction.
        pause_s: how long before each piece.
        piece_bytes: how many bytes pass at once.
    """

    side: Literal["request", "answer"]
    pause_s: float = 0.2
    piece_bytes: int = 1


@dataclass(frozen=True, slots=True)
class Delay:
    """Each piece of one direction comes that much later, or the connection itself is opened later.

    Args:
        side: which direction; `connection` for all of it.
        seconds: how much later.
    """

    side: Literal["connection", "request", "answer"]
    seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Garbage:
    """The client is told these bytes instead of an answer, and the connection is closed.

    Args:
        content: what it is told.
        is_forwarded: whether the server got the request.
    """

    content: bytes
    is_forwarded: bool = False


@dataclass(frozen=True, slots=True)
class AnswerTwice:
    """The server's answer comes twice."""


WireFault = Break | Drip | Delay | Garbage | AnswerTwice | Answer | Repeat | Late
