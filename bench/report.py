"""The table every benchmark prints: figure, value, budget, and whether the budget is met."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Args:
        name: what was measured, with its unit where it has one.
        value: the measurement.
        budget: what it must not cross; None for a value that is only told.
        better: whether smaller (`at most` the budget) or larger values (`at least` it) are wanted.
        unit: printed behind value and budget.
    """

    name: str
    value: float
    budget: float | None = None
    better: Literal["smaller", "larger"] = "smaller"
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the budget is kept; a figure without one always is."""
        if self.budget is None:
            return True
        return self.value <= self.budget if self.better == "smaller" else self.value >= self.budget

    @property
    def verdict(self) -> str:
        """`ok`, `SHORT`, or nothing for a figure without a budget."""
        if self.budget is None:
            return ""
        return "ok" if self.is_met else "SHORT"


def run_benchmark(
    description: str,
    measure: Callable[[bool], Sequence[Figure]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Run *measure*, print its table, and give the exit code: 1 when a budget is missed.

    Args:
        description: one sentence for `--help`.
        measure: takes whether a quick run is wanted.
        arguments: the command line; that of this process when absent.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small data, few repetitions")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    figures = measure(options.quick)
    print_figures(figures, as_json=options.json)
    return 0 if all(figure.is_met for figure in figures) else 1


def print_figures(figures: Sequence[Figure], *, as_json: bool = False) -> None:
    """Print *figures* as a table, or as a JSON list."""
    if as_json:
        told = [{**asdict(figure), "verdict": figure.verdict} for figure in figures]
        json.dump(told, sys.stdout, indent=2)
        print()
        return
    rows = [("figure", "value", "budget", "")]
    rows += [
        (figure.name, _spell(figure.value, figure.unit), _spell_budget(figure), figure.verdict)
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, value, budget, verdict in rows:
        line = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {budget:>{widths[2]}}  {verdict}"
        print(line.rstrip())


def _spell_budget(figure: Figure) -> str:
    if figure.budget is None:
        return ""
    sign = "≤" if figure.better == "smaller" else "≥"
    return f"{sign} {_spell(figure.budget, figure.unit)}"


def _spell(value: float, unit: str) -> str:
    if value and abs(value) < 0.01:
        text = f"{value:.2g}"
    else:
        text = f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"
    return f"{text} {unit}".rstrip()
