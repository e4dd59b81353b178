"""Which runs the draw keeps: a threshold on an id that every service sees, so that all agree."""

from __future__ import annotations

import re
from typing import Final

from xray.model.facts import RunStarted

# What OpenTelemetry's consistent samplers compare, too: the part of a trace id that is random.
_DRAWN_BITS: Final = 56
_TRACE_ID: Final = re.compile("(?!0{32})[0-9a-f]{32}", re.ASCII)


def choose_ticket(started: RunStarted) -> str:
    """The id that the draw for a run goes by.

    A run with a key goes by its own id, which is all that processes know that attach by the key.
    """
    trace_id = started.correlation.get("trace_id", "")
    if started.key is None and _TRACE_ID.fullmatch(trace_id):
        return trace_id
    return started.run_id


def is_drawn(ticket: str, share: float) -> bool:
    """Whether the draw keeps the runs that go by *ticket*; what one share keeps, larger ones do.

    Args:
        ticket: an id of 32 hexadecimal digits, dashes aside.
        share: how many of all runs are kept, from 0 to 1.
    """
    space = 1 << _DRAWN_BITS
    number = int(ticket.replace("-", "")[-_DRAWN_BITS // 4 :], 16)
    return number >= round((1 - share) * space)
