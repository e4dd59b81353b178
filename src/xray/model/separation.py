"""What separates the rejected from the kept, or bad runs from good ones."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty

Condition = Literal["is", "has", "above", "at_most", "missing"]
Source = Literal[
    "attribute", "check", "origin", "found_by", "score", "rank", "identity",
    "run", "metadata", "params", "input", "tags", "answer", "step",
]  # fmt: skip


class Example(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate or run that shows what is said.

    Args:
        run_id: the run.
        step_id: the step that decided; None where whole runs are told apart.
        candidate_id: the candidate, likewise.
    """

    run_id: str
    step_id: str | None = None
    candidate_id: str | None = None


class Split(Struct, frozen=True, kw_only=True):
    """A condition, and how many of each side meet it.

    Args:
        condition: `is` and `has` (of a list) one value, a number `above` or `at_most` a threshold,
            or `missing`: there is no value.
        value: the value or the threshold; None for `missing`.
        text: the condition in words: `category is "Lamps"`.
        a: how many of A meet it.
        a_of: how many of A have the figure at all, or could have had it.
        b: how many of B meet it.
        b_of: how many of B have the figure at all, or could have had it.
        a_share: the share of A that meets it, where some stand for more than themselves by weight.
        b_share: that of B.
    """

    condition: Condition
    value: str | bool | int | float | None = None
    text: str
    a: int
    a_of: int
    b: int
    b_of: int
    a_share: float
    b_share: float


class Proxy(Struct, frozen=True, kw_only=True):
    """What separates the sides only as far as something stronger does.

    Args:
        path: its name.
        step: the step it is a figure of.
        text: in one plain sentence.
        split: how many of each side meet it.
        p: as of a `Separator`.
    """

    path: str
    step: str | None = None
    text: str
    split: Split
    p: float


class Separator(Struct, frozen=True, kw_only=True):
    """Something that separates A from B.

    Args:
        path: what it is called: `category`, `metadata.region`, `origin`.
        source: where it was recorded.
        step: the step it is a figure of, where whole runs are told apart.
        text: in one plain sentence.
        split: the condition that tells the sides apart best.
        also: further conditions on the same that do.
        a_median: of a number, the median in A.
        b_median: of a number, the median in B.
        effect: by how much more often A meets the condition than B, as shares: 1 where all of A and
            none of B do, negative where B meets it more often.
        effect_least: how far that is from 0 at least, by 99 in 100.
        p: the chance of anything as telling among all that was looked at, were sides drawn by lot.
        test: the test it rests on.
        reads: the checks that read it, or what else decides by it: it is no discovery then.
        proxies: what says the same and adds nothing.
        a_examples: some of A that meet the condition, or of a condition that B meets, that do not.
        b_examples: some of B that are on the other side of it.
    """

    path: str
    source: Source
    step: str | None = None
    text: str
    split: Split
    also: list[Split] = []
    a_median: float | None = None
    b_median: float | None = None
    effect: float
    effect_least: float
    p: float
    test: Literal["fisher", "mann_whitney", "weighted_ranks"]
    reads: list[str] = []
    proxies: list[Proxy] = []
    a_examples: list[Example] = []
    b_examples: list[Example] = []


class LeftOut(Struct, frozen=True, kw_only=True):
    """Something recorded that was not looked at, and why."""

    path: str
    step: str | None = None
    because: str


class SeparatedSide(Struct, frozen=True, kw_only=True):
    """One of the two sides.

    Args:
        name: what they are called: `rejected`, `kept`, or the query of runs.
        count: how many candidates or runs were looked at.
        stands_for: how many those stand for, where they are a sample.
        first: of runs, when the oldest began.
        last: of runs, when the newest began.
    """

    name: str
    count: int
    stands_for: float
    first: datetime | None = None
    last: datetime | None = None


class Separation(Shown, Struct, frozen=True, kw_only=True):
    """What separates some candidates or runs from others.

    Args:
        answer: one plain sentence.
        certainty: `inferred`, from counts of both sides; `unknown` where there is too little.
        because: what it rests on.
        of: whether candidates or runs are told apart.
        a: one side: the rejected, the bad.
        b: the other: the kept, the good.
        step: the step whose candidates they are.
        separators: what separates them, the most telling first.
        rules: what separates them because checks or ranks read it.
        left_out: what was recorded and not looked at.
        tests: how many conditions and figures were looked at that could have told anything.
        level: the chance that any separator is none, were the sides drawn by lot.
        unit: what was taken to be drawn by lot: candidates, or runs with all their candidates.
        runs: how many runs were looked at.
        matching: how many meet the query, as far as counted; None where that is not known.
        is_cut: there were more columns than are looked at.
        complete: false where there are more runs, older than these.
        call: the path of the API that gives this answer.
    """

    answer: str
    certainty: Certainty = "inferred"
    because: str = ""
    of: Literal["candidates", "runs"]
    a: SeparatedSide
    b: SeparatedSide
    step: str | None = None
    separators: list[Separator] = []
    rules: list[Separator] = []
    left_out: list[LeftOut] = []
    tests: int = 0
    level: float = 0.01
    unit: Literal["candidate", "run"] = "candidate"
    runs: int = 0
    matching: int | None = None
    is_cut: bool = False
    complete: bool = True
    call: str = ""
