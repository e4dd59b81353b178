"""What separates the rejected from the kept, or some runs from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.sayings import MIN_SHORT_ID
from xray.model.separation import Separation, Separator, Split
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import compare_page, run_page, runs_page
from xray.web.asked import read_asked
from xray.web.charts.diverging import Lean, Wings, lay_lean, lay_wings
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

PATH: Final = "/v1/separate"
WINGS_WIDTH: Final = 70.0
LEAN_WIDTH: Final = 40.0
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class SeparatorRow:
    """Something that separates the two sides.

    Args:
        separator: the answer about it.
        wings: the shares of both sides that meet its condition.
        lean: how much more often A meets it, and how much at least.
    """

    separator: Separator
    wings: Wings
    lean: Lean


@dataclass(frozen=True, slots=True)
class SeparateModel:
    """What separates two sides.

    Args:
        asked: the parameters.
        found: the answer; None while it is not said what is to be told apart.
        separators: what separates them.
        rules: what separates them because checks or ranks read it.
        compare: the page that compares the figures of the same two groups; empty for candidates.
    """

    asked: Parameters
    found: Separation | None
    separators: Sequence[SeparatorRow] = ()
    rules: Sequence[SeparatorRow] = ()
    compare: str = ""
    wings_width: float = WINGS_WIDTH
    lean_width: float = LEAN_WIDTH

    def given(self, name: str) -> str:
        """The value of a parameter; empty where it is not given."""
        return next((value for key, value in self.asked if key == name), "")

    @property
    def name_a(self) -> str:
        """What the one side is called."""
        return "A" if self.found is None or self.found.of == "runs" else self.found.a.name

    @property
    def name_b(self) -> str:
        """What the other side is called."""
        return "B" if self.found is None or self.found.of == "runs" else self.found.b.name


async def draw_separate(request: Request) -> Page:
    """The page that says what separates the candidates or runs that the URL names."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_separate(store, asked, now_us))
    run_id = model.given("run_id")
    return Page(
        template="separate.html",
        title="What separates them",
        model=model,
        section="runs",
        calls=(Call(PATH, asked, spell_separate(asked)),) if model.found else (),
        trail=(
            Link("Runs", runs_page()),
            *([Link(run_id[:MIN_SHORT_ID], run_page(run_id))] if run_id else []),
        ),
    )


def spell_separate(asked: Parameters) -> str:
    """The question as an expression of `client`."""
    named = dict(asked)
    runs = [f"runs={named['runs']}"] if "runs" in named else []
    if "a" in named:
        told = [repr(named["a"]), repr(named.get("b", "")), *runs]
        return f"client.separate_runs({', '.join(told)})"
    told = [repr(named.get("run_id")), repr(named.get("step"))]
    told += [f"where={named['where']!r}"] if "where" in named else []
    reasons = [value for name, value in asked if name == "reason"]
    told += [f"reasons={reasons!r}"] if reasons else []
    told += ["is_selected=True"] if named.get("selected") == "true" else []
    return f"client.separate({', '.join([*told, *runs])})"


def model_separate(store: Store, asked: Parameters, now_us: int) -> SeparateModel:
    """What the page of what separates two sides shows."""
    if not asked:
        return SeparateModel(asked, None)
    found = reading.separate(store, asked, now_us)
    named = dict(asked)
    return SeparateModel(
        asked=asked,
        found=found,
        separators=[_describe(one) for one in found.separators[:_SHOWN]],
        rules=[_describe(one) for one in found.rules[:_SHOWN]],
        compare=compare_page(named["a"], named["b"]) if "a" in named and "b" in named else "",
    )


def _describe(one: Separator) -> SeparatorRow:
    return SeparatorRow(
        one,
        lay_shares_of(one.split),
        lay_lean(one.effect, one.effect_least, LEAN_WIDTH),
    )


def lay_shares_of(split: Split) -> Wings:
    """The shares of both sides that meet a condition, as bars of which the longest is all."""
    # A third pair fixes the scale: all of a side is as long in every row.
    return lay_wings([(split.a_share, split.b_share), (1.0, 1.0)], WINGS_WIDTH)[0]
