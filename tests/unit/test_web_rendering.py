"""Recorded text on a page is text: it is shown whole or with a mark, and nothing of it acts."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from xray.model.values import MARK
from xray.web.rendering import show_value

ALLOWED = {"span", "b", "i", "code", "pre", "details", "summary"}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


class Tags(HTMLParser):
    """Notes every tag and attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, [name for name, _ in attrs]))


@given(values)
def test_no_value_brings_a_tag_or_an_attribute_of_its_own(value: object) -> None:
    tags = Tags()
    tags.feed(str(show_value(value)))
    assert {tag for tag, _ in tags.seen} <= ALLOWED
    assert {name for _, names in tags.seen for name in names} <= {"class", "title", "tabindex"}


def test_direction_marks_and_control_characters_are_spelled() -> None:
    shown = str(show_value({"key\u202e": "a\u2066b\x00"}))
    assert not re.search("[\u202e\u2066\x00]", shown)
    assert "key\\u202e" in shown
    assert "a\\u2066b\\x00" in shown


def test_long_text_is_behind_its_beginning_and_its_size() -> None:
    shown = str(show_value("word " * 1000))
    assert "5,000 characters" in shown
    assert "word " * 1000 in unescape(shown)


def test_what_was_cut_at_capture_says_so() -> None:
    shown = str(
        show_value({MARK: "truncated", "type": "str", "length": 90_210, "head": "the begin"})
    )
    assert "the begin" in shown
    assert "cut at 9 of 90,210" in shown
