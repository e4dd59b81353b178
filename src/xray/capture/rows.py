"""What a step's verbs were given, made into rows: identified, frozen, with their evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from xray.capture.comparison import is_missing
from xray.capture.evidence import (
    FindStep,
    read_check,
    read_number,
    read_origins,
    read_rank,
    read_reason,
    read_score,
)
from xray.capture.redaction import Redactor
from xray.capture.sets.decisions import BARE, Decisions
from xray.capture.snapshot import ATTRIBUTE_LIMITS, bounded_text, scalar_attributes, snapshot
from xray.model.facts import EVIDENCE, NIL, REJECTED, Check, DecisionRow
from xray.model.ids import MAX_CANDIDATE_ID_LENGTH, identify
from xray.model.interruptions import is_interruption
from xray.model.kinds import is_a
from xray.model.vocabulary import MISSING_PREFIX

IMPLIED_CHECK: Final = "limit"
"""The name of a check that a verdict gives without a reason."""

MAX_QUICK_ROW_BYTES: Final = 256
"""A row no longer than this holds neither an id nor a reason that would have to be cut."""

MAX_LOGGED_ROWS: Final = 1_024
MAX_PENDING_CANDIDATES: Final = 4_096
MAX_CHECKS_PER_CANDIDATE: Final = 64
MAX_UNNAMED_CANDIDATES: Final = 1_024
UNFIT: Final = (UnicodeEncodeError, OverflowError, TypeError, RuntimeError, KeyError)
"""What the quick ways meet in values they are not made for, or that another thread changes."""

_MAX_PLAIN_FIELDS: Final = 16
_MAX_PLAIN_TEXT_LENGTH: Final = 1_024

_encode: Final = msgspec.msgpack.Encoder().encode


class RowMaker:
    """Makes the rows of one step.

    Args:
        redactor: what must never leave the process.
        omissions: counts what was cut, by kind; added to.
        find_step: the id of the step that an origin names.
        keeps_evidence: checks become evidence; else only the name of a failed one is remembered,
            because it names the rejection.
    """

    def __init__(
        self,
        redactor: Redactor,
        omissions: dict[str, int],
        find_step: FindStep,
        *,
        keeps_evidence: bool,
    ) -> None:
        self.pending: dict[str, list[Check] | str] = {}
        """What was checked about each candidate since its last verdict."""
        self.logged: list[DecisionRow] = []
        self.anonymous = 0
        """Decided candidates without an id of their own."""
        self._redactor = redactor
        self._omissions = omissions
        self._find_step = find_step
        self._keeps_evidence = keeps_evidence
        self._numbered = 0
        # By identity; the object is held so that no other can take its address.
        self._unnamed: dict[int, tuple[object, str]] = {}

    def add_check(
        self,
        candidate: object,
        name: object,
        field: object,
        observed: object,
        op: object,
        limit: object,
        *,
        passed: bool,
    ) -> None:
        """Remember a check about *candidate* until its verdict, or the end of the step."""
        if passed and not self._keeps_evidence:
            return
        candidate_id = self._identify_checked(candidate)
        if is_missing(observed):
            operand = read_reason(field, {}) or read_reason(name, {})
            name = f"{MISSING_PREFIX}{operand}"
        evidence = self.pending.get(candidate_id)
        if not self._keeps_evidence or (
            evidence is None and len(self.pending) >= MAX_PENDING_CANDIDATES
        ):
            if self._keeps_evidence:
                self._omit("evidence_out")
            if not passed:
                failed = read_reason(name, self._omissions) or "check"
                self.pending.setdefault(candidate_id, failed)
            return
        if evidence is None:
            evidence = self.pending[candidate_id] = []
        if isinstance(evidence, str) or len(evidence) >= MAX_CHECKS_PER_CANDIDATE:
            self._omit("evidence_out")
            return
        evidence.append(self.make_check(name, field, observed, op, limit, passed=passed))

    @property
    def shows_operands(self) -> bool:
        """Whether what is compared is recorded as it is, but for the values of hidden fields."""
        return self._redactor.hook is None

    def hides(self, field: str) -> bool:
        """Whether the values of *field* are redacted."""
        return self._redactor.hides_key(field)

    def make_check(
        self,
        name: object,
        field: object,
        observed: object,
        op: object,
        limit: object,
        *,
        passed: bool,
    ) -> Check:
        """Evidence as it travels."""
        return read_check(
            name,
            field,
            observed,
            op,
            limit,
            passed=passed,
            redactor=self._redactor,
            omissions=self._omissions,
        )

    def take_failed_check(self, candidate: object) -> str | None:
        """The first failed check about *candidate*, which its verdict settles."""
        found = self.pending.pop(self._identify_decided(candidate)[0], None)
        return found if isinstance(found, str) else None

    def are_plain(self, attributes: object) -> bool:
        """Whether *attributes* can be encoded as they are: small, flat, and nothing to redact."""
        if type(attributes) is not dict or len(attributes) > _MAX_PLAIN_FIELDS:
            return False
        harmless = self._redactor.harmless
        try:
            for name, value in attributes.items():
                # By identity: a set would ask keys and classes of the pipeline's for their hash.
                if type(name) is not str or name not in harmless:
                    return False
                kind = type(value)
                if kind is str:
                    if len(value) > _MAX_PLAIN_TEXT_LENGTH:
                        return False
                elif not (kind is int or kind is float or kind is bool or value is None):
                    return False
        except RuntimeError as error:
            # Another thread changes them: the walk reads them in one call.
            if is_interruption(error):
                raise
            return False
        return True

    def encode(
        self,
        verdict: int,
        candidate: object,
        reason: object = None,
        attributes: object = None,
        reasoning: object = None,
        score: object = None,
        observed: object = None,
        limit: object = None,
        op: object = None,
        origin: object = None,
        rank: object = None,
        by: object = None,
        part_of: object = None,
    ) -> bytes:
        """The encoded row of one verdict; arguments as for `make_row`."""
        if (
            type(candidate) is str
            and candidate
            and (reason is None or type(reason) is str)
            and reasoning is score is observed is limit is op is origin is rank is by is part_of
            and part_of is None
            and (attributes is None or self.are_plain(attributes))
            and not self.pending
        ):
            try:
                row = _encode((verdict, candidate, reason, attributes))
            except UNFIT as error:
                if is_interruption(error):
                    raise
                row = b""
            if 0 < len(row) <= MAX_QUICK_ROW_BYTES:
                return row
        return _encode(
            self.make_row(
                verdict, candidate, reason, attributes, reasoning, score, observed, limit,
                op, origin, rank, by, part_of,
            )
        )  # fmt: skip

    def make_row(
        self,
        verdict: int,
        candidate: object,
        reason: object = None,
        attributes: object = None,
        reasoning: object = None,
        score: object = None,
        observed: object = None,
        limit: object = None,
        op: object = None,
        origin: object = None,
        rank: object = None,
        by: object = None,
        part_of: object = None,
        rank_before: object = None,
        merged_into: object = None,
        checks: list[Check] | None = None,
    ) -> DecisionRow:
        """The row of one verdict; it takes the checks that were pending about the candidate."""
        candidate_id, is_anonymous = self._identify_decided(candidate)
        self.anonymous += is_anonymous
        named_reason = read_reason(reason, self._omissions)
        checked = self.pending.pop(candidate_id, None)
        evidence = checked if isinstance(checked, list) else []
        if isinstance(checked, str) and verdict == REJECTED:
            named_reason = named_reason or checked
        if observed is not None or limit is not None:
            implied = read_check(
                named_reason or IMPLIED_CHECK,
                "",
                observed,
                op,
                limit,
                passed=verdict != REJECTED,
                redactor=self._redactor,
                omissions=self._omissions,
            )
            evidence = [implied, *evidence]
        if checks:
            evidence = [*evidence, *checks]
        return DecisionRow(
            verdict,
            candidate_id,
            named_reason,
            NIL if attributes is None else self._freeze_attributes(attributes),
            read_score(score),
            self._freeze_reasoning(reasoning),
            read_rank(rank),
            read_origins(origin, self._find_step),
            evidence or None,
            None if by is None else identify(by),
            None if part_of is None else identify(part_of),
            read_rank(rank_before),
            None if merged_into is None else identify(merged_into),
            is_anonymous=is_anonymous,
        )

    def encode_many(self, decisions: Decisions, places: Sequence[int]) -> Iterator[bytes]:
        """The encoded rows of the decisions at *places*, made one by one as they are asked for."""
        kinds, codes, origin = decisions.kinds, decisions.codes, decisions.origin
        if decisions.are_bare and not self.pending:
            heads = [(kind.verdict, kind.reason) for kind in kinds]
            told = zip(map(codes.__getitem__, places), decisions.ids.at(places), strict=True)
            yield from [_encode((heads[code][0], name, heads[code][1])) for code, name in told]
            return
        candidates = decisions.candidates_at(places)
        details = decisions.describe(places)
        for place, candidate, detail in zip(places, candidates, details, strict=True):
            verdict, reason, _ = kinds[codes[place]]
            if detail is BARE and origin is None:
                yield self.encode(verdict, candidate, reason)
                continue
            yield _encode(
                self.make_row(
                    verdict, candidate, reason, detail.attributes, detail.reasoning, detail.score,
                    origin=origin, rank=detail.rank, by=detail.by, part_of=detail.part_of,
                    rank_before=detail.rank_before, merged_into=detail.merged_into,
                    checks=detail.checks,
                )
            )  # fmt: skip

    def log(self, verdict: int, item: object) -> None:
        """Add one entry of `log_sampled_candidates` to the logged rows."""
        if len(self.logged) >= MAX_LOGGED_ROWS:
            self._omit("logged_out")
            return
        candidate, score, reasoning = _take_apart(item)
        candidate_id = identify(candidate)
        scalars = scalar_attributes(candidate, omissions=self._omissions)
        self.logged.append(
            DecisionRow(
                verdict,
                candidate_id or self._number(),
                attributes=NIL if not scalars else self._freeze_attributes(scalars),
                score=read_score(score),
                reasoning=self._freeze_reasoning(reasoning),
                is_anonymous=not candidate_id,
            )
        )

    def leftover_evidence(self) -> list[DecisionRow]:
        """Rows for the checks that no verdict followed."""
        unnamed = {candidate_id for _, candidate_id in self._unnamed.values()}
        return [
            DecisionRow(EVIDENCE, candidate_id, checks=checks, is_anonymous=candidate_id in unnamed)
            for candidate_id, checks in self.pending.items()
            if isinstance(checks, list)
        ]

    def _identify_checked(self, candidate: object) -> str:
        found = identify(candidate)
        if found:
            return found
        known = self._unnamed.get(id(candidate))
        if known is not None:
            return known[1]
        candidate_id = self._number()
        if len(self._unnamed) < MAX_UNNAMED_CANDIDATES:
            self._unnamed[id(candidate)] = (candidate, candidate_id)
        return candidate_id

    def _identify_decided(self, candidate: object) -> tuple[str, bool]:
        if (
            type(candidate) is str
            and 0 < len(candidate) <= MAX_CANDIDATE_ID_LENGTH
            and candidate.isascii()
        ):
            return candidate, False
        found = identify(candidate)
        if found:
            return found, False
        checked = self._unnamed.pop(id(candidate), None) if self._unnamed else None
        return (self._number() if checked is None else checked[1]), True

    def _number(self) -> str:
        self._numbered += 1
        return f"anon-{self._numbered - 1}"

    def _freeze_attributes(self, value: object) -> Any:
        mapping = value if is_a(value, dict) else {"value": value}
        return snapshot(mapping, self._redactor, self._omissions, ATTRIBUTE_LIMITS)

    def _freeze_reasoning(self, reasoning: object) -> str | None:
        if reasoning is not None and self._redactor.hook is not None:
            reasoning = self._redactor.apply("reasoning", reasoning)
            if not is_a(reasoning, str):
                self._omit("redacted")
                return None
        return bounded_text(reasoning, self._omissions)

    def _omit(self, kind: str) -> None:
        self._omissions[kind] = self._omissions.get(kind, 0) + 1


def _take_apart(item: object) -> tuple[object, object, object]:
    """The candidate, score and reasoning of one entry of `log_sampled_candidates`."""
    if type(item) is tuple and len(item) == 3:
        return item[0], item[1], item[2]
    if type(item) is tuple and len(item) == 2:
        candidate, second = item
        if is_a(second, str):
            return candidate, None, second
        if is_a(second, dict) or read_number(second) is not None or second is None:
            return candidate, second, None
    return item, None, None
