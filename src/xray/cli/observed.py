"""The values that the checks of sampled steps observed, as `xray show` prints them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xray.cli.terminal import Terminal, printable, wrap
from xray.cli.wording import say_count, say_measured
from xray.model.records import Step
from xray.model.sketch import Observed

_MIDDLE: Final = 0.5
_MAX_CHECKS: Final = 5


def draw_observed(steps: Iterable[Step], terminal: Terminal) -> list[str]:
    """What each check observed of all candidates, where the detail of some was sampled out."""
    lines: list[str] = []
    for step in steps:
        for check in step.checks[:_MAX_CHECKS]:
            sides = (("met by", check.passed), ("failed by", check.failed))
            said = "; ".join(
                f"{verb} {_say_values(values)}" for verb, values in sides if values is not None
            )
            text = f"{printable(step.name)}: {printable(check.name)} {said}"
            lines += wrap(text, terminal.width, indent="    ", first="  ")
        more = len(step.checks) - _MAX_CHECKS
        if more > 0:
            lines.append(f"  {printable(step.name)}: {more} more check{'' if more == 1 else 's'}")
    return [terminal.paint("Observed values", "bold"), *lines] if lines else []


def _say_values(values: Observed) -> str:
    """For example `1,520 with 3.1 to 100, half of them up to about 82.1`."""
    spread = say_measured(values.least, None)
    if values.greatest > values.least:
        spread += f" to {say_measured(values.greatest, None)}"
    said = f"{say_count(values.count)} with {spread}"
    middle = next((one for one in values.quantiles if one.share == _MIDDLE), None)
    if middle is None or values.count == 1 or values.greatest == values.least:
        return said
    return f"{said}, half of them up to {say_measured(middle.value, middle.error or None)}"
