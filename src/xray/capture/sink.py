"""Where capture puts finished facts; delivery and the in-memory test sink satisfy it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from xray.errors import NotFoundError
from xray.model.facts import Fact

if TYPE_CHECKING:
    # Few programs ask; the others need not load what answers are made of.
    from xray.model.answers import Why
    from xray.model.summary import RunSummary


class Sink(Protocol):
    """Takes facts and never raises, never blocks, never calls back into the pipeline."""

    def put(self, fact: Fact) -> None:
        """Take *fact*; a fact that cannot be taken is counted as a loss."""
        ...

    def settle_run(self, run_id: str) -> None:
        """The run's last fact was put; a sink that was told to fail loudly does so here.

        Raises:
            XRayDeliveryError: only in `offline_mode="fail"`.
        """
        ...

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count what was lost before it could become a fact."""
        ...


@runtime_checkable
class SelectiveSink(Protocol):
    """The sink of one run, where only some runs are kept."""

    def keep(self, reason: str) -> None:
        """Keep the run, whatever else would have become of it."""
        ...

    def hand_over(self) -> bool:
        """Whether another process, which is about to add to the run, must send what it adds."""
        ...


@runtime_checkable
class AnsweringSink(Protocol):
    """A sink that can be asked about the runs that were put into it; it may wait, and raises."""

    def summarize(self, run_id: str) -> RunSummary:
        """How the run went.

        Raises:
            XRayError: there is no answer, and why.
        """
        ...

    def explain(self, run_id: str, candidate_id: str) -> Why:
        """Why a candidate ended as it did.

        Raises:
            XRayError: there is no answer, and why.
        """
        ...


def require_answers(sink: object) -> AnsweringSink:
    """*sink*, if it can be asked.

    Raises:
        NotFoundError: it answers no questions.
    """
    if not isinstance(sink, AnsweringSink):
        raise NotFoundError(
            "The run was put into a sink that answers no questions.", code="run_not_recorded"
        )
    return sink
