"""Facts in any order, twice, and in batches of any size end in the same state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.store.conftest import some_engines
from tests.contract.store.worlds import everything, worlds
from xray.model.facts import Fact
from xray.store.protocol import Store

OpenEmpty = Callable[[str], Store]
_quick = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Fact], list[list[Fact]]]:
    """A world, and the same shuffled, with repetitions, in batches."""
    facts = draw(worlds())
    repeated = [fact for fact in facts if draw(st.booleans())]
    order = draw(st.permutations([*facts, *repeated]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    bounds = [0, *cuts, len(order)]
    return facts, [list(order[a:b]) for a, b in pairwise(bounds)]


@_quick
@given(arrival=arrivals(), engines=some_engines)
def test_any_order_of_arrival_ends_as_the_facts_in_order_do_in_memory(
    open_empty: OpenEmpty,
    arrival: tuple[list[Fact], list[list[Fact]]],
    engines: Sequence[str],
) -> None:
    facts, batches = arrival
    reference = open_empty("memory")
    assert reference.submit("all", facts).result().accepted == len(facts)
    expected = everything(reference)
    accepted = dict.fromkeys(engines, 0)
    for engine in engines:
        store = open_empty(engine)
        for number, batch in enumerate(batches):
            receipt = store.submit(str(number), batch).result()
            assert receipt.accepted + receipt.duplicate == len(batch)
            accepted[engine] += receipt.accepted
        assert everything(store) == expected
        store.close()
    assert len(set(accepted.values())) == 1
