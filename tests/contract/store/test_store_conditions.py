"""Every condition means the same to every engine, over rows that were made to disagree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.store.conftest import ENGINES, open_engine, some_engines
from tests.contract.store.worlds import (
    CANDIDATES,
    NOW_US,
    RUN_IDS,
    STEP_IDS,
    TEXTS,
    as_received,
    runs_finished,
    runs_started,
    steps_finished,
    times,
)
from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.query.cursor import decode_cursor
from xray.query.fields import BY_SCOPE, PATHED_TYPES
from xray.query.plan import (
    AllOf,
    AnyOf,
    AnyRow,
    Comparison,
    Condition,
    Exists,
    FieldRef,
    Has,
    Not,
    Operand,
    Plan,
    Scope,
)
from xray.store.protocol import Store

_WORLD_SIZE = 60
_quick = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

operands = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(["running", "abandoned", "completed", "filter", "custom", "full", "declared"]),
    st.sampled_from([*RUN_IDS, *STEP_IDS, RUN_IDS[0].upper(), RUN_IDS[0].replace("-", "")]),
    st.sampled_from(
        [0, 1, 5, 7, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64 + 1, -(2**63) - 1, 10**400,
         0.1, 0.5, 1e15, 5e-324, float("inf"), float("-inf"), float("nan"), 9007199254740992.0]
    ),
    times,
    st.booleans(),
)  # fmt: skip
comparators = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "contains"])


@st.composite
def fields(draw: st.DrawFn, scopes: tuple[Scope, ...]) -> FieldRef:
    scope = draw(st.sampled_from(scopes))
    field = draw(st.sampled_from(sorted(BY_SCOPE[scope].values(), key=lambda one: one.name)))
    depth = 2 if field.type in PATHED_TYPES else draw(st.sampled_from([0, 0, 0, 1]))
    keys = st.sampled_from(["x", "y", "a\x00b", 'quote"', "type", "message", "$xray", "value", ""])
    return FieldRef(scope, field.name, tuple(draw(st.lists(keys, max_size=depth))))


def conditions(scope: Scope) -> st.SearchStrategy[Condition]:
    scopes: tuple[Scope, ...] = ("run", "step") if scope == "step" else (scope,)
    leaves = st.one_of(
        st.builds(Comparison, fields(scopes), comparators, operands),
        st.builds(Exists, fields(scopes)),
        st.builds(Has, fields(scopes), operands),
    )
    below: dict[Scope, Scope] = {"run": "step", "step": "decision"}
    if scope in below:
        inner = below[scope]
        leaves |= st.builds(AnyRow, st.just(inner), st.deferred(lambda: conditions(inner)))
    return st.recursive(
        leaves,
        lambda part: st.one_of(
            st.builds(Not, part),
            st.builds(lambda parts: AllOf(tuple(parts)), st.lists(part, max_size=3)),
            st.builds(lambda parts: AnyOf(tuple(parts)), st.lists(part, max_size=3)),
        ),
        max_leaves=4,
    )


def _hostile_world() -> list[Fact]:
    facts: list[Fact] = []

    @settings(
        max_examples=_WORLD_SIZE,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def generate(data: st.DataObject) -> None:
        run_id = RUN_IDS[len(facts)] if len(facts) < len(RUN_IDS) else new_uuid7(NOW_US)
        facts.append(data.draw(runs_started(run_id)))
        if data.draw(st.booleans()):
            facts.append(data.draw(runs_finished(run_id)))
        facts.append(data.draw(steps_finished(new_uuid7(NOW_US))))

    generate()
    return as_received(facts)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Store]]:
    facts = _hostile_world()
    folder = tmp_path_factory.mktemp("conditions")
    opened = {engine: open_engine(engine, folder) for engine in ENGINES}
    receipts = [store.submit("world", facts).result() for store in opened.values()]
    assert receipts == [receipts[0]] * len(ENGINES)
    assert receipts[0].accepted > _WORLD_SIZE
    yield opened
    for store in opened.values():
        store.close()


def _ask(store: Store, scope: Scope, where: Condition, limit: int) -> list[str]:
    """Every record that meets *where*, page by page."""
    plan = Plan(scope=scope, where=where, limit=limit, now_us=NOW_US)
    found: list[str] = []
    while True:
        if scope == "run":
            runs = store.runs(plan)
            found += [run.run_id for run in runs.items]
            cursor = runs.next_cursor
            assert runs.complete
        else:
            steps = store.steps(plan)
            found += [step.step_id for step in steps.items]
            cursor = steps.next_cursor
            assert steps.complete
        if cursor is None:
            return found
        plan = Plan(
            scope=scope,
            where=where,
            limit=limit,
            now_us=NOW_US,
            after=decode_cursor(cursor, plan),
        )


@_quick
@given(where=conditions("run"), limit=st.sampled_from([7, 1000]), engines=some_engines)
def test_a_condition_finds_the_same_runs_in_every_engine(
    stores: dict[str, Store], where: Condition, limit: int, engines: Sequence[str]
) -> None:
    expected = _ask(stores["memory"], "run", where, 1000)
    for engine in engines:
        assert _ask(stores[engine], "run", where, limit) == expected


@_quick
@given(where=conditions("step"), limit=st.sampled_from([7, 1000]), engines=some_engines)
def test_a_condition_finds_the_same_steps_in_every_engine(
    stores: dict[str, Store], where: Condition, limit: int, engines: Sequence[str]
) -> None:
    expected = _ask(stores["memory"], "step", where, 1000)
    for engine in engines:
        assert _ask(stores[engine], "step", where, limit) == expected


@_quick
@given(
    where=conditions("decision"),
    anchor=st.sampled_from(CANDIDATES),
    limit=st.integers(1, 9),
    engines=some_engines,
)
def test_a_condition_finds_the_same_decisions_in_every_engine(
    stores: dict[str, Store],
    where: Condition,
    anchor: str,
    limit: int,
    engines: Sequence[str],
) -> None:
    named = Comparison(FieldRef("decision", "candidate_id"), "=", anchor)
    plan = Plan(scope="decision", where=AllOf((named, where)), limit=limit, now_us=NOW_US)
    assert len({repr(stores[engine].decisions(plan)) for engine in engines}) == 1


_RUN_COLUMNS = ("pipeline", "status", "started_at", "duration_ms", "key", "weight", "run_id")


@pytest.mark.parametrize("engine", ENGINES[1:])
@pytest.mark.parametrize("name", _RUN_COLUMNS)
@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">="])
def test_each_comparison_of_a_column_agrees_with_its_opposite_under_not(
    stores: dict[str, Store], engine: str, name: str, op: str
) -> None:
    operand_of: dict[str, Operand] = {
        "pipeline": "b",
        "status": "completed",
        "started_at": NOW_US - 5,
        "duration_ms": 0.5,
        "key": "a\x00b",
        "weight": 1,
        "run_id": RUN_IDS[1],
    }
    condition = Comparison(FieldRef("run", name), op, operand_of[name])  # type: ignore[arg-type]
    memory, other = stores["memory"], stores[engine]
    met = _ask(other, "run", condition, 1000)
    unmet = _ask(other, "run", Not(condition), 1000)
    assert met == _ask(memory, "run", condition, 1000)
    assert sorted(met + unmet) == sorted(_ask(other, "run", AllOf(), 1000))
