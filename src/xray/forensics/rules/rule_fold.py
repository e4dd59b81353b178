"""What is kept of one rule of a step over many runs, in bounded memory."""

from __future__ import annotations

from array import array
from typing import Final

from msgspec import Struct

from xray.forensics.groups.samples import Sample, Share
from xray.forensics.rules.amounts import Amount
from xray.forensics.rules.outcomes import CheckColumn, Nearest
from xray.model.checked import CheckedRun
from xray.model.rules import RuleExample
from xray.model.sketch import Sketch, sketch_values

MAX_LIMITS: Final = 16
_MAX_VERSIONS: Final = 4
_FLUSHED: Final = 16_384

Era = str | None
"""A version, `None` for runs without one; or whether a run began before or since a time."""

BEFORE: Final = "before"
SINCE: Final = "since"


class Span:
    """When something was in use, and by which runs."""

    __slots__ = ("first_us", "has_more", "last_us", "newest", "runs", "versions")

    def __init__(self) -> None:
        self.first_us = self.last_us = 0
        self.newest = ""
        self.runs = Share()
        self.versions: set[str] = set()
        self.has_more = False

    def add(self, run: CheckedRun) -> None:
        """Count *run*."""
        at_us = run.started_at_us
        self.first_us = min(self.first_us, at_us) if self.runs.runs else at_us
        if at_us >= self.last_us:
            self.last_us, self.newest = at_us, run.run_id
        self.runs.add(run.weight)
        if run.version is not None and run.version not in self.versions:
            if len(self.versions) < _MAX_VERSIONS:
                self.versions.add(run.version)
            else:
                self.has_more = True


class LimitKey(Struct, frozen=True, order=True):
    """One limit of a rule: what it observes, how it compares, and what with, as JSON."""

    field: str
    op: str
    limit: str


class Margins:
    """How far observed values lay from their limits, on one side of them."""

    def __init__(self) -> None:
        self._values = array("d")
        self._sketch: Sketch | None = None

    def add(self, margins: array[float]) -> None:
        """Take values in."""
        self._values.extend(margins)
        if len(self._values) >= _FLUSHED:
            self._flush()

    def sketch(self) -> Sketch | None:
        """The sketch of all."""
        self._flush()
        return self._sketch

    def _flush(self) -> None:
        found = sketch_values(self._values) if self._values else None
        if found is not None:
            self._sketch = found if self._sketch is None else self._sketch.merge(found)
            self._values = array("d")


class RuleFold:
    """One rule of a step, over runs."""

    def __init__(self) -> None:
        self.kills = 0
        self.killed_weight = 0.0
        self.killing = Share()
        self.evaluated = Amount()
        self.failed = Amount()
        self.missing = Amount()
        self.is_check = False
        self.is_told = False
        """Whether it also shows of candidates that met it."""
        self.field: str | None = None
        self.op: str | None = None
        self.asking = Share()
        self.present: dict[Era, Share] = {}
        self.kill_shares: dict[Era, Sample] = {}
        """Of the candidates of a run those it killed; runs without any are not in them."""
        self.fail_shares: dict[Era, Sample] = {}
        """Of those that a run put to it those that failed."""
        self.has_gaps = False
        """Whether a run does not tell that exactly."""
        self.limits: dict[LimitKey, Span] = {}
        self.varies = False
        self.margins = (Margins(), Margins())
        self.by_limit: dict[tuple[str, float], list[Sketch | None]] = {}
        self.unplaced = 0
        self.nearest: list[tuple[Nearest, str, str] | None] = [None, None]
        self.alone: list[RuleExample] = []
        self.killed: list[RuleExample] = []
        self.overruled: list[RuleExample] = []
        self.lacking: list[RuleExample] = []

    def note_limits(self, run: CheckedRun, column: CheckColumn) -> None:
        """Note which limits a step of *run* used."""
        if column.op is None:
            return
        self.is_check = True
        self.field, self.op = self.field or column.field, self.op or column.op
        if len(column.limits) > 1:
            self.varies = True
        for spelled in column.spelled_limits():
            key = LimitKey(column.field, column.op, spelled)
            span = self.limits.get(key)
            if span is None:
                if len(self.limits) >= MAX_LIMITS:
                    self.varies = True
                    continue
                span = self.limits[key] = Span()
            span.add(run)

    def note_nearest(self, run_id: str, step_id: str, column: CheckColumn) -> None:
        """Note the nearest of a step's values."""
        for side, near in enumerate(column.nearest):
            known = self.nearest[side]
            if near is not None and (known is None or near.distance < known[0].distance):
                self.nearest[side] = (near, run_id, step_id)

    def merge_values(
        self, column: CheckColumn | None, sketches: tuple[Sketch | None, Sketch | None] | None,
        unknown: int,
    ) -> None:  # fmt: skip
        """Take in what a step observed.

        Args:
            column: its rows.
            sketches: all values of a step whose rows were sampled, failed and met.
            unknown: how many were put to it of whom nothing tells the value.
        """
        if column is None or not column.is_scale:
            return
        limits = column.limits
        if sketches is not None:
            count = sum(one.count for one in sketches if one is not None)
            limit = limits[0] if len(limits) == 1 else None
            if not isinstance(limit, (int, float)) or column.op is None:
                self.unplaced += count
                return
            key = (column.op, float(limit))
            if key not in self.by_limit and len(self.by_limit) >= MAX_LIMITS:
                self.unplaced += count
                return
            known = self.by_limit.setdefault(key, [None, None])
            for side, sketch in enumerate(sketches):
                before = known[side]
                known[side] = before.merge(sketch) if before and sketch else before or sketch
            return
        for side, margins in enumerate(column.margins):
            self.margins[side].add(margins)
        self.unplaced += unknown
