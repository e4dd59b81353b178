"""Templates: how values become text and marks on a page, none of it trusted."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from xray.model import sayings
from xray.model.hidden import spell_hidden
from xray.model.values import MARK, is_mark
from xray.web import addresses, assets
from xray.web.charts.graph import shorten

_MAX_INLINE: Final = 90
_MAX_TEXT: Final = 400
_KEPT: Final = "\n\t"


def render(template: str, **names: object) -> str:
    """The HTML of a template in `templates/`."""
    return _environment().get_template(template).render(names)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("xray.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_make_visible,
    )
    environment.globals.update(
        asset=assets.address_of,
        to_run=addresses.run_page,
        to_alike=addresses.alike_page,
        to_findings=addresses.findings_page,
        to_runs=addresses.runs_page,
        to_step=addresses.step_page,
        to_search=addresses.search_page,
        to_steps=addresses.steps_page,
        to_export=addresses.export_page,
        to_case=addresses.case_page,
        to_help=addresses.help_page,
        to_settings=addresses.settings_page,
        logout=addresses.LOGOUT,
        to_trends=addresses.trends_page,
        to_decisions=addresses.decisions_page,
        to_why=addresses.why_page,
        to_provenance=addresses.provenance_page,
        to_diff=addresses.diff_page,
        to_compare=addresses.compare_page,
        to_page=addresses.page_of,
    )
    environment.filters.update(
        when=sayings.say_when,
        utc=say_utc,
        took=sayings.say_duration,
        count=say_count,
        share=say_share,
        number=sayings.say_number,
        between=say_range,
        boxed=fit_box,
        shown=show_value,
        coded=mark_code,
    )
    return environment


def _make_visible(value: object) -> object:
    """What an expression of a template prints: hidden characters of recorded text are spelled."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value if value.isprintable() else spell_hidden(value, keep=_KEPT)
    return value


def say_utc(moment: datetime) -> str:
    """A moment to the millisecond, in UTC."""
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def say_count(count: int | None) -> str:
    """A count with its thousands apart; nothing where nobody counted."""
    return "" if count is None else f"{count:,}"


def say_range(least: int, most: int) -> str:
    """Two bounds as they stand in a sentence."""
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def fit_box(text: str, width: int = 22) -> str:
    """As much of *text* as there is room for in a chart, hidden characters spelled."""
    return shorten(spell_hidden(text), width)


def mark_code(text: str) -> Markup:
    """*text* with what stands between backticks as code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(spell_hidden(text).split("`"))
    )


def say_share(share: float | None) -> str:
    """A share of 1 in percent; nothing where there is none."""
    return "" if share is None else f"{share * 100:.1f} %"


def show_value(value: Any) -> Markup:
    """A free-form value: on one line where it is short, else behind its size."""
    if is_mark(value):
        return _show_mark(value)
    if isinstance(value, str):
        return _show_text(value)
    if isinstance(value, (dict, list)) and value:
        return _show_container(value)
    return Markup('<span class="scalar">{}</span>').format(_spell_scalar(value))


def _show_text(text: str) -> Markup:
    visible = spell_hidden(text, keep=_KEPT)
    if len(visible) <= _MAX_TEXT:
        return Markup('<span class="text">{}</span>').format(visible)
    return Markup(
        '<details class="long"><summary>{}… <i>{:,} characters</i></summary>'
        '<pre tabindex="0">{}</pre></details>'
    ).format(visible[:_MAX_INLINE], len(text), visible)


def _show_container(value: dict[str, Any] | list[Any]) -> Markup:
    line = spell_hidden(json.dumps(value, ensure_ascii=False))
    if len(line) <= _MAX_INLINE:
        if isinstance(value, dict) and not any(_is_nested(item) for item in value.values()):
            pairs = Markup("").join(
                Markup('<span class="pair"><b>{}</b> {}</span> ').format(
                    spell_hidden(name), show_value(item)
                )
                for name, item in value.items()
            )
            return Markup('<span class="pairs">{}</span>').format(pairs)
        return Markup("<code>{}</code>").format(line)
    whole = spell_hidden(json.dumps(value, ensure_ascii=False, indent=2), keep=_KEPT)
    noun = "entries" if isinstance(value, dict) else "items"
    return Markup(
        '<details class="long"><summary><code>{}…</code> <i>{:,} {}</i></summary>'
        '<pre tabindex="0">{}</pre></details>'
    ).format(line[:_MAX_INLINE], len(value), noun, whole)


def _is_nested(value: object) -> bool:
    return isinstance(value, (dict, list)) and not is_mark(value)


def _spell_scalar(value: object) -> str:
    if isinstance(value, float):
        return sayings.say_number(value)
    return json.dumps(value, ensure_ascii=False)


def _show_mark(mark: dict[str, Any]) -> Markup:
    kind = mark[MARK]
    if kind == "map":
        return show_value(mark.get("value"))
    if kind == "float":
        return Markup('<span class="scalar">{}</span>').format(str(mark.get("value")))
    head, length = mark.get("head"), mark.get("length")
    said = "cut" if kind == "truncated" else spell_hidden(str(kind))
    if isinstance(length, int):
        said += f" at {len(head):,} of {length:,}" if isinstance(head, str) else f", {length:,}"
    text = spell_hidden(head, keep=_KEPT) if isinstance(head, str) else ""
    named = mark.get("type")
    title = named if isinstance(named, str) else ""
    return Markup('{}<span class="mark" title="{}">{}</span>').format(
        text, spell_hidden(title), said
    )
