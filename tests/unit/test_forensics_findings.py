"""What about a run deserves a look, in one sentence each."""

from __future__ import annotations

from tests.unit.small_runs import accept, evidence_of, reject, select, several, step
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.facts import StepFinished, Tally


def texts(*steps: StepFinished) -> dict[str, str]:
    return {finding.code: finding.text for finding in find(evidence_of(*steps))}


def test_an_invented_id_is_an_example() -> None:
    (finding,) = find(
        evidence_of(
            step("find", "retrieve", accept("a", "b")),
            step("best", "select", select("ghost"), reject("a", "b", reason="not_selected")),
        )
    )
    assert finding.text == (
        "best decided 1 candidate that find had not let through: ghost. It was chosen, though no "
        "earlier step recorded it."
    )
    assert (finding.count, finding.examples, finding.certainty) == (1, ["ghost"], "known")


def test_counts_that_disagree_name_both() -> None:
    found = texts(
        step("f", "filter", accept("a"), reject("b", reason="x"), input_count=5, output_count=3)
    )
    assert found == {
        "count_mismatch": "f declared an input of 5 but decided 2 and an output of 3 but kept 1."
    }


def test_a_step_that_kept_nothing_names_its_most_frequent_reason() -> None:
    found = texts(
        step("find", "retrieve", accept("a", "b", "c")),
        step("f", "filter", reject("a", "b", reason="price"), reject("c", reason="rating")),
    )
    assert found == {
        "empty": (
            "f rejected all 3 candidates; nothing went on. The most frequent reason: price (2)."
        )
    }


def test_replaced_verdicts_are_counted() -> None:
    found = texts(step("f", "filter", accept("a", "b"), reject("a", reason="x")))
    assert found == {"redecided": "f replaced 1 verdict by a later one about the same candidate."}


def test_an_incomplete_step_says_what_its_type_asks_for() -> None:
    assert texts(step("f", "filter"))["incomplete"] == (
        "f (filter) recorded neither counts nor decisions."
    )
    assert texts(step("s", "select"))["incomplete"] == (
        "s (select) recorded neither a selected candidate nor an output."
    )


def test_at_minimal_a_shortfall_is_told_without_names() -> None:
    (finding,) = find(
        evidence_of(
            step("find", "retrieve", tally=Tally(accepted=50), capture="minimal"),
            step("f", "filter", tally=Tally(accepted=5, rejected=15), capture="minimal"),
        )
    )
    assert finding.text == (
        "find passed on 30 candidates more than f took in; which ones was not recorded."
    )
    assert (finding.code, finding.certainty, finding.count) == ("vanished", "inferred", 30)


def test_what_the_check_cannot_tell_is_said_once_with_its_reason() -> None:
    (finding,) = find(
        evidence_of(
            step("find", "retrieve", accept("doc")),
            step("f", "filter", accept("chunk")),
            step("r", "rank", accept("other")),
        )
    )
    assert finding.text == (
        "Whether candidates were lost on the way into f and r is unknown: "
        "nothing that find let through was decided by f."
    )
    assert finding.certainty == "unknown"


def test_a_loss_behind_a_silent_step_is_inferred_and_says_from_what() -> None:
    (finding,) = find(
        evidence_of(
            step("find", "retrieve", accept("a", "b")),
            step("normalize", "transform"),
            step("f", "filter", accept("a")),
        )
    )
    assert (finding.code, finding.certainty) == ("vanished", "inferred")
    assert finding.because == "normalize, in between, recorded no candidates"


def test_many_steps_of_one_kind_are_walked_without_recursion() -> None:
    steps = [step("find", "retrieve", accept("a", "b"))]
    steps += [step(f"f{number}", "filter", reject(f"x{number}")) for number in range(150)]
    steps += [step(f"t{number}", "transform") for number in range(150)]
    steps += [step("f", "filter", accept(f"y{number}")) for number in range(150)]
    evidence = evidence_of(*steps)
    assert find(evidence)
    assert explain(evidence, "b").answer


def test_a_large_run_is_explained_from_columns() -> None:
    many = several("p", 4_000)
    evidence = evidence_of(
        step("find", "retrieve", accept(*many)),
        step("f", "filter", accept(*many[:2_000]), reject(*many[2_000:], reason="x")),
    )
    opened = 0
    for one in evidence.steps:
        table = evidence.ledger(one).table
        read = table.row

        def count(index: int, read: object = read) -> object:
            nonlocal opened
            opened += 1
            return read(index)  # type: ignore[operator]

        table.row = count  # type: ignore[method-assign, assignment]
    assert find(evidence) == []
    # Three of each verdict are tried for a reasoning.
    assert opened <= 6
    assert explain(evidence, "p_3000").outcome == "rejected"
    assert opened < 20


def test_a_step_that_only_logged_samples_counts_none_of_them_as_rejections() -> None:
    found = find(
        evidence_of(
            step("f", "filter", input_count=1, output_count=0, logged=reject("a", reason="dull")),
            step("g", "filter", input_count=9, output_count=0, logged=reject("b", reason="dull")),
        )
    )
    assert [finding.text for finding in found if finding.code == "empty"] == [
        "f rejected the only candidate it had; nothing went on. A sample it logged says: dull.",
        "g rejected all 9 candidates; nothing went on. The samples it logged say: dull.",
    ]
