"""What a faulty server does instead of answering."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers with a status and a body of its own, and stores nothing.

    Args:
        status: the HTTP status.
        body: the content.
        headers: sent with it, e.g. `{"Retry-After": "2"}`.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hang:
    """Takes the request and says nothing for *seconds*, then closes the connection."""

    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Trickle:
    """Answers one byte at a time, with a pause of *seconds* before each."""

    seconds: float = 0.2


@dataclass(frozen=True, slots=True)
class Slow:
    """Stores and answers as it should, after *seconds*."""

    seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class DropConnection:
    """Closes the connection without an answer.

    Args:
        has_stored: whether the batch was stored first, so that only the answer is lost.
    """

    has_stored: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """Stores the batch and closes the connection in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class RefuseLargeBodies:
    """Answers 413 to every body of more than *max_bytes* once decompressed.

    Args:
        max_bytes: the largest body that is taken.
    """

    max_bytes: int


@dataclass(frozen=True, slots=True)
class RefuseFacts:
    """Answers 422 to every batch that holds one of these facts, as a strict server might.

    Args:
        fact_ids: the ids, as `xray.model.facts.fact_id` gives them.
    """

    fact_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class RejectFacts:
    """Stores the rest of a batch and rejects these facts in the receipt.

    Args:
        fact_ids: the ids, as `xray.model.facts.fact_id` gives them.
        code: the code they are rejected with.
    """

    fact_ids: frozenset[str]
    code: str = "invalid_record"


Fault = (
    Answer
    | Hang
    | Trickle
    | Slow
    | DropConnection
    | Truncate
    | RefuseLargeBodies
    | RefuseFacts
    | RejectFacts
)
