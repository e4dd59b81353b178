"""Answers about one run or two: what a URL asks, read from a store and handed to forensics."""

from __future__ import annotations

from msgspec.structs import replace

from xray.errors import InvalidQueryError
from xray.forensics.diff import compare_runs
from xray.forensics.findings.attention import count_first, order_findings
from xray.forensics.findings.finders import find
from xray.forensics.lineage import trace_lineage
from xray.forensics.neighbours import MAX_NEIGHBOURS, find_neighbours
from xray.forensics.unusual.deviations import find_deviations
from xray.forensics.unusual.usual import load_baselines
from xray.forensics.verification import verify
from xray.forensics.what_if import try_limits as redecide
from xray.forensics.why import explain
from xray.model.answers import FindingList, Why
from xray.model.differences import RunDiff
from xray.model.labels import LabelsAsked, words_by_candidate
from xray.model.lineage import Lineage
from xray.model.neighbours import Neighbours
from xray.model.verification import Verification
from xray.model.what_if import WhatIf
from xray.query.what_if_parameters import read_limits
from xray.reading.lists import Parameters, read_id
from xray.reading.shelf import open_run
from xray.store.protocol import Store


def explain_candidate(store: Store, run_id: str, parameters: Parameters) -> Why:
    """Why the candidate that *parameters* name ended as it did in a run."""
    candidate_id = _read_candidate(parameters)
    why = explain(open_run(store, run_id), candidate_id)
    about_run = store.labels(LabelsAsked(run_ids=(run_id,), is_of_run=True))
    about_it = store.labels(LabelsAsked(run_ids=(run_id,), candidate_id=candidate_id))
    return replace(why, labels=[*about_it, *about_run])


def trace_candidate(store: Store, run_id: str, parameters: Parameters) -> Lineage:
    """What the item that *parameters* name came from and what it brought in a run."""
    item = _read_candidate(parameters)
    return trace_lineage(open_run(store, run_id), item)


def find_alike(store: Store, run_id: str, parameters: Parameters) -> Neighbours:
    """The candidates like the one that *parameters* name that a run decided otherwise.

    Raises:
        InvalidQueryError: no candidate is named, or more are asked for than are found.
    """
    named = [one for one in parameters if one[0] != "limit"]
    candidate_id = _read_candidate(named, "There are candidate= and limit=.")
    limit = dict(parameters).get("limit", "5")
    if not limit.isdecimal() or not 1 <= int(limit[:3]) <= MAX_NEIGHBOURS:
        raise InvalidQueryError(
            f"limit={limit[:100]!r} is not a number of candidates from 1 to {MAX_NEIGHBOURS}."
        )
    return find_neighbours(open_run(store, run_id), candidate_id, int(limit))


def _read_candidate(parameters: Parameters, hint: str = "There is candidate=.") -> str:
    unknown = [name for name, _ in parameters if name not in ("candidate", "candidate_id")]
    if unknown:
        raise InvalidQueryError(f"There is no parameter {unknown[0][:100]!r} here.", hint=hint)
    named = dict(parameters)
    candidate_id = named.get("candidate") or named.get("candidate_id")
    if not candidate_id:
        raise InvalidQueryError(
            "It is not said which candidate is meant.",
            hint="Give its id: ?candidate=….",
            code="missing_parameter",
        )
    return candidate_id


def diff_runs(store: Store, parameters: Parameters) -> RunDiff:
    """How the two runs that *parameters* name differ.

    Raises:
        InvalidQueryError: it is not said which runs, or in a way that names none.
    """
    unknown = [name for name, _ in parameters if name not in ("a", "b")]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.", hint="There are a= and b=."
        )
    named = dict(parameters)
    if not named.get("a") or not named.get("b"):
        raise InvalidQueryError(
            "It is not said which two runs are meant.",
            hint="Give their ids: ?a=…&b=….",
            code="missing_parameter",
        )
    a, b = (open_run(store, read_id(named[name])) for name in ("a", "b"))
    return compare_runs(a, b)


def try_limits(store: Store, run_id: str, parameters: Parameters) -> WhatIf:
    """What a run would have decided with the limits that *parameters* name.

    Raises:
        InvalidQueryError: it is not said which limits, or no step checked such a thing.
    """
    limits = read_limits(parameters)
    evidence = open_run(store, run_id)
    labels = store.labels(LabelsAsked(run_ids=(run_id,), is_of_run=False))
    return redecide(evidence, limits, words_by_candidate(labels))


def verify_run(store: Store, run_id: str, parameters: Parameters, now_us: int) -> Verification:
    """Whether a run meets the expectations that *parameters* name.

    Raises:
        InvalidQueryError: none is named, or one is no expectation.
    """
    unknown = [name for name, _ in parameters if name != "that"]
    if unknown or not parameters:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here."
            if unknown
            else "It is not said what is expected.",
            hint="Give expectations: that=laptop_stand_42 is not selected.",
            code="invalid_parameter" if unknown else "missing_parameter",
        )
    return verify(open_run(store, run_id), [text for _, text in parameters], now_us)


def list_findings(store: Store, run_id: str) -> FindingList:
    """What deserves a look in a run, what deserves it most first."""
    evidence = open_run(store, run_id)
    run, steps = evidence.run, evidence.steps
    unusual = find_deviations(run, steps, load_baselines(store, run, steps))
    findings = order_findings(evidence, [*find(evidence), *unusual])
    return FindingList(run_id=run_id, findings=findings, look_here_first=count_first(findings))
