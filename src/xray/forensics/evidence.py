"""What is known about one run: its steps, and each step's decisions as sets and rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain, compress, repeat
from typing import Final
from weakref import proxy

from xray.errors import NotFoundError
from xray.forensics.keys import Key, Keys, join_keys
from xray.model.decisions import DecisionTable, Outline, outline_decisions
from xray.model.facts import EVIDENCE
from xray.model.hashing import hash_all, hash_often
from xray.model.records import Decision, Run, Step
from xray.model.roster import Roster
from xray.model.sketch import CheckSketch
from xray.model.vocabulary import ANONYMOUS_PREFIX, VERDICTS, Verdict
from xray.store.protocol import Store

_MAX_FOUND: Final = 64
"""How many candidates' decisions are remembered: one question asks often for a few."""
_MAX_HASHED: Final = 256
"""From here on candidates are sought among all that the run knows before they are hashed."""

_IS_CODE: Final = [bytes(code == wanted for code in range(256)) for wanted in range(len(VERDICTS))]
"""For the code of each verdict what turns codes into truths."""


class KnownIds(dict[str, int]):
    """Candidates that some step of a run knows by id, each with its hash."""

    @cached_property
    def by_hash(self) -> dict[int, str]:
        """They by their hashes."""
        return {hashed: name for name, hashed in self.items()}


class Ledger:
    """One step's stored decisions, as sets of keys and as rows that are opened one by one.

    Rows of `log_sampled_candidates` can be read, but belong to no set: they count nowhere.

    Args:
        step: the step.
        table: its decisions with detail.
        load_roster: gives the step's roster, where it has one.
        list_known: gives every candidate that some step of the run knows by id, with its hash.
    """

    def __init__(
        self,
        step: Step,
        table: DecisionTable,
        load_roster: Callable[[], Roster | None] = lambda: None,
        list_known: Callable[[], KnownIds] = KnownIds,
    ) -> None:
        self.step = step
        self.table = table
        self._load_roster = load_roster
        self._list_known = list_known
        self._opened: dict[int, Decision] = {}
        self._found: dict[str, list[Decision]] = {}

    @cached_property
    def roster(self) -> Roster | None:
        """The candidates the step decided after its census; None where detail is all there is."""
        return self._load_roster() if self.step.coverage in ("named", "sampled") else None

    @property
    def is_named(self) -> bool:
        """Whether census and roster together know every candidate the step decided."""
        return self.step.coverage == "named" and not self.anonymous_count

    @property
    def is_single(self) -> bool:
        """Whether no two rows are about the same candidate."""
        return len(self.table.places) == len(self.table)

    @cached_property
    def _all_positions(self) -> dict[str, list[int]]:
        positions: dict[str, list[int]] = {}
        for index, candidate_id in enumerate(self.table.candidate_ids):
            positions.setdefault(candidate_id, []).append(index)
        return positions

    def positions(self, candidate_id: str) -> Sequence[int]:
        """Where the rows about *candidate_id* stand in the table, in recorded order."""
        last = self.table.places.get(candidate_id)
        if last is None:
            return ()
        return (last,) if self.is_single else self._all_positions[candidate_id]

    def counting_positions(self, *verdicts: Verdict) -> Sequence[int]:
        """Where the rows with one of *verdicts* stand that are no mere illustration."""
        if len(verdicts) == 1:
            return self._counting[verdicts[0]]
        return sorted(chain.from_iterable(self._counting[verdict] for verdict in verdicts))

    @cached_property
    def _counting(self) -> dict[Verdict, list[int]]:
        codes, every = self._counting_codes, range(len(self.table))
        return {
            verdict: [at for at, code in zip(every, codes, strict=True) if code == wanted]
            if wanted in codes
            else []
            for wanted, verdict in enumerate(VERDICTS)
        }

    @cached_property
    def _counting_codes(self) -> bytes:
        """The verdicts of the rows, with none for those that merely illustrate."""
        codes, logged = self.table.codes, self.table.logged
        if not any(logged):
            return codes
        rows = zip(codes, logged, strict=True)
        return bytes(EVIDENCE if is_logged else code for code, is_logged in rows)

    @cached_property
    def detailed(self) -> dict[Verdict, Keys]:
        """The keys of the rows, by verdict."""
        return {verdict: self._list_keys(code) for code, verdict in enumerate(VERDICTS)}

    def _list_keys(self, wanted: int) -> Keys:
        ids, codes = self.table.candidate_ids, self._counting_codes
        if wanted not in codes:
            return Keys()
        if self.anonymous_count or not {None}.issuperset(self.table.partitions):
            keys = compress(zip(self.table.partitions, ids, strict=True), map(wanted.__eq__, codes))
            return Keys.of(key for key in keys if self._has_identity(key[1]))
        if codes.count(wanted) == len(codes):
            return Keys(frozenset(self.table.places))
        return Keys(frozenset(compress(ids, codes.translate(_IS_CODE[wanted]))))

    @cached_property
    def _keys(self) -> dict[Verdict, Keys]:
        roster = self.roster
        if not self.is_named or roster is None:
            return self.detailed
        names, detailed = self._list_known().by_hash, self.detailed_keys.ids
        hashes = frozenset(names)
        roster.expect(hashes)
        found: list[set[str]] = [set() for _ in VERDICTS]
        partitioned: list[list[Key]] = [[] for _ in VERDICTS]
        for fate, hashed_alike in roster.find_all(hashes).items():
            beyond = set(map(names.__getitem__, hashed_alike)) - detailed
            if fate.by is None:
                found[fate.verdict] |= beyond
            else:
                partitioned[fate.verdict] += zip(repeat(fate.by), beyond, strict=False)
        return {
            verdict: join_keys(
                [
                    self.detailed[verdict],
                    Keys(frozenset(found[code])),
                    Keys.of(partitioned[code]),
                ]
            )
            for code, verdict in enumerate(VERDICTS)
        }

    def keys_about(self, candidate_id: str, verdict: Verdict) -> Keys:
        """The keys of one candidate with *verdict*."""
        if not self._has_identity(candidate_id):
            return Keys()
        return Keys.of(
            (row.by, candidate_id)
            for row in self.find(candidate_id)
            if row.decision == verdict and not row.is_logged
        )

    def _has_identity(self, candidate_id: str) -> bool:
        """Whether the id is the candidate's own, so that another step may be compared by it."""
        return not (self.anonymous_count and candidate_id.startswith(ANONYMOUS_PREFIX))

    @property
    def anonymous_count(self) -> int:
        """How many of the candidates had no id of their own."""
        return self.step.counts.anonymous

    @property
    def dropped_elsewhere(self) -> int:
        """How many more the counts set by hand say were dropped, where only rejections are known.

        Then the candidates that were not rejected cannot be taken to have been kept.
        """
        step = self.step
        if step.declared_input_count is None or step.declared_output_count is None:
            return 0
        dropped = step.declared_input_count - step.declared_output_count
        return max(0, dropped - step.counts.rejected)

    @property
    def candidate_ids(self) -> Iterable[str]:
        """Every candidate some row is about, once."""
        return self.table.places.keys()

    def keys(self, verdict: Verdict) -> Keys:
        """The keys with *verdict*, of all candidates that the run knows by id."""
        return self._keys[verdict]

    def hash_ids(self, candidate_ids: Sequence[str]) -> Sequence[int]:
        """The hashes of candidates; of many that the run knows by id, what is at hand."""
        if len(candidate_ids) > _MAX_HASHED:
            known = self._list_known()
            if known.keys() >= set(candidate_ids):
                return [known[one] for one in candidate_ids]
        return hash_all(candidate_ids)

    @cached_property
    def row_hashes(self) -> list[int]:
        """The hashes of the candidates that have a row, ascending."""
        return sorted(self.hash_ids(tuple(self.table.places)))

    def knows_between(self, first: int, last: int) -> bool:
        """Whether it knows a candidate whose hash may lie from *first* to *last*."""
        at = bisect_left(self.row_hashes, first)
        if at < len(self.row_hashes) and self.row_hashes[at] <= last:
            return True
        return self.roster is not None and self.roster.overlaps(first, last)

    @cached_property
    def decided(self) -> Keys:
        """The keys with any verdict, of all candidates that the run knows by id."""
        return join_keys(self._keys.values())

    @cached_property
    def detailed_keys(self) -> Keys:
        """The keys of the rows with any verdict."""
        if self.detailed_count == len(self.table) and {None}.issuperset(self.table.partitions):
            return Keys(frozenset(self.table.places))
        return join_keys(self.detailed.values())

    def count_details(self, verdict: Verdict) -> int:
        """How many of the decisions with *verdict* have a row."""
        if self.is_single and not self.anonymous_count:
            return self._counting_codes.count(VERDICTS.index(verdict))
        return len(self.detailed[verdict])

    @cached_property
    def detailed_count(self) -> int:
        """How many of the decisions have a row."""
        return sum(map(self.count_details, VERDICTS))

    def is_complete(self, *verdicts: Verdict) -> bool:
        """Whether every candidate the step decided so is known; by default, for any verdict."""
        return self.is_named or self.is_detailed(*verdicts)

    def is_detailed(self, *verdicts: Verdict) -> bool:
        """Whether every candidate the step decided so has a row; by default, for any verdict."""
        counts = self.step.counts
        counted = {
            "rejected": counts.rejected,
            "accepted": counts.accepted,
            "selected": counts.selected,
        }
        return all(self.count_details(word) == counted[word] for word in verdicts or VERDICTS)

    @property
    def decided_count(self) -> int:
        """How many distinct candidates the step decided, stored or not."""
        counts = self.step.counts
        return counts.rejected + counts.accepted + counts.selected

    def has(self, candidate_id: str) -> bool:
        """Whether some row, or the roster, is about *candidate_id*."""
        return candidate_id in self.table.places or bool(self.find(candidate_id))

    def has_row(self, candidate_id: str) -> bool:
        """Whether some row is about *candidate_id*."""
        return candidate_id in self.table.places

    def find(self, candidate_id: str) -> list[Decision]:
        """What is known of *candidate_id*: its rows, and what the roster knows beyond them.

        Rows that only illustrate come last.
        """
        found = self._found.get(candidate_id)
        if found is None:
            if len(self._found) >= _MAX_FOUND:
                self._found.clear()
            found = self._found[candidate_id] = self._find(candidate_id)
        return found

    def _find(self, candidate_id: str) -> list[Decision]:
        rows = self.find_rows(candidate_id)
        counted = {row.by for row in rows if row.decision is not None and not row.is_logged}
        named = [row for row in self._ask_roster(candidate_id) if row.by not in counted]
        return sorted([*rows, *named], key=lambda row: row.is_logged)

    def find_rows(self, candidate_id: str) -> list[Decision]:
        """The rows about *candidate_id*, in recorded order."""
        return [self.row(index) for index in self.positions(candidate_id)]

    def _ask_roster(self, candidate_id: str) -> list[Decision]:
        roster = self.roster
        return [] if roster is None else roster.find(candidate_id)

    def rows(self, verdicts: Sequence[Verdict]) -> Iterator[Decision]:
        """The rows whose verdict is among *verdicts*, opened as they are asked for."""
        for index, verdict in enumerate(self.table.verdicts):
            if verdict in verdicts:
                yield self.row(index)

    @cached_property
    def outlines(self) -> list[Outline]:
        """Its rows in outline: those that count, or where none do, those that illustrate."""
        found = outline_decisions(self.table)
        return found if len(self.shown) == len(found) else [found[at] for at in self.shown]

    @cached_property
    def shown(self) -> Sequence[int]:
        """Where the rows stand that count, or where none do, those that illustrate."""
        every, logged = range(len(self.table)), self.table.logged
        return [at for at in every if not logged[at]] or every if any(logged) else every

    def row(self, index: int) -> Decision:
        """The whole decision at *index* of the table; opened once."""
        row = self._opened.get(index)
        if row is None:
            row = self._opened[index] = self.table.row(index)
        return row

    @cached_property
    def _parts(self) -> dict[str, list[str]]:
        parts: dict[str, dict[str, None]] = {}
        wholes = self.table.wholes
        if not {None}.issuperset(wholes):
            for whole, candidate_id in zip(wholes, self.table.candidate_ids, strict=True):
                if whole is not None:
                    parts.setdefault(whole, {})[candidate_id] = None
        return {whole: list(found) for whole, found in parts.items()}

    @property
    def wholes(self) -> Iterable[str]:
        """Every whole some row names with `part_of`, once."""
        return self._parts.keys()

    def parts_of(self, whole: str) -> list[str]:
        """The candidates recorded as parts of *whole*, as first seen."""
        return self._parts.get(whole, [])


class RunEvidence:
    """One run, its steps by ordinal, and the decisions of each step, loaded when first needed.

    Args:
        run: the run.
        steps: its steps.
        load_table: gives the decisions with detail of a step by its id.
        load_roster: gives the roster of a step by its id.
        load_sketches: gives what the checks of a step observed over all its rows, by its id.
    """

    def __init__(
        self,
        run: Run,
        steps: Iterable[Step],
        load_table: Callable[[str], DecisionTable],
        load_roster: Callable[[str], Roster | None] = lambda _: None,
        load_sketches: Callable[[str], Sequence[CheckSketch]] = lambda _: (),
    ) -> None:
        self.run = run
        self.steps: list[Step] = sorted(steps, key=lambda step: (step.ordinal, step.started_at))
        self._load_table = load_table
        self._load_roster = load_roster
        self._load_sketches = load_sketches
        self.examined: object | None = None
        self._ledgers: dict[str, Ledger] = {}

    @cached_property
    def steps_by_id(self) -> dict[str, Step]:
        """The steps by their ids."""
        return {step.step_id: step for step in self.steps}

    def ledger(self, step: Step) -> Ledger:
        """The decisions of *step*."""
        found = self._ledgers.get(step.step_id)
        if found is None:
            # A ledger that held its run would keep thousands of rows until the collector comes.
            own: RunEvidence = proxy(self)
            found = Ledger(
                step,
                self._load_table(step.step_id),
                partial(self._load_roster, step.step_id),
                lambda: own.known_ids,
            )
            self._ledgers[step.step_id] = found
        return found

    def sketches(self, step: Step) -> Sequence[CheckSketch]:
        """What the checks of *step* observed over all its rows, where some have no detail."""
        return self._load_sketches(step.step_id)

    @cached_property
    def known_ids(self) -> KnownIds:
        """Every candidate that some step knows by id, as first recorded, with its hash."""
        ids = (one for step in self.steps for one in self.ledger(step).candidate_ids)
        distinct = tuple(dict.fromkeys(ids))
        return KnownIds(zip(distinct, map(hash_often, distinct), strict=True))


def load_evidence(store: Store, run_id: str) -> RunEvidence:
    """What *store* knows about a run.

    Raises:
        NotFoundError: no run has that id.
    """
    run = store.run(run_id)
    if run is None:
        raise NotFoundError(
            f"No run has the id {run_id}.", hint="`xray runs` lists the runs there are."
        )
    steps = store.steps_of_run(run_id, is_sampled=False)
    return RunEvidence(
        run, steps, store.decisions_of_step, store.roster_of_step, store.sketches_of_step
    )
