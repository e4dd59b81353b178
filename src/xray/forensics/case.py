"""One run under examination: its evidence and everything that is worked out from it once."""

from __future__ import annotations

from weakref import proxy

from xray.forensics.conservation import Conservation
from xray.forensics.evidence import RunEvidence
from xray.forensics.flow import Flow
from xray.forensics.generations import Generations
from xray.forensics.journey import Journey
from xray.forensics.origins import Origins
from xray.model.answers import Finding
from xray.model.records import Run


class Case:
    """A run with its flow, its conservation check, its origins and what those tell apart.

    Args:
        evidence: the run.

    Attributes:
        found: what deserves a look in the run, once somebody looked.
    """

    def __init__(self, evidence: RunEvidence) -> None:
        self.evidence = evidence
        self.flow = Flow(evidence)
        self.conservation = Conservation(self.flow)
        self.origins = Origins(self.flow)
        self.generations = Generations(self.flow, self.origins)
        self.found: tuple[Finding, ...] | None = None

    @property
    def run(self) -> Run:
        """The run."""
        return self.evidence.run

    @classmethod
    def of(cls, evidence: RunEvidence) -> Case:
        """The case of *evidence*, which is set up once however many questions are asked."""
        if not isinstance(evidence.examined, cls):
            # Who asks holds the evidence, which goes with them: no collector has to find it.
            evidence.examined = cls(proxy(evidence))
        return evidence.examined

    def journey(self, candidate_id: str) -> Journey:
        """A candidate's way through the run."""
        return Journey(self.flow, self.conservation, candidate_id)

    def has_candidate(self, candidate_id: str) -> bool:
        """Whether some step recorded the id."""
        return any(self.flow.ledger(step).has(candidate_id) for step in self.evidence.steps)

    def parts_of(self, whole: str) -> list[str]:
        """The candidates recorded as parts of *whole*, as first seen."""
        parts = (
            part for step in self.flow.steps for part in self.flow.ledger(step).parts_of(whole)
        )
        return [part for part in dict.fromkeys(parts) if part != whole]
