"""The page that asks for the server's key."""

from __future__ import annotations

from dataclasses import dataclass

from xray.web.page import Page


@dataclass(frozen=True, slots=True)
class LoginModel:
    """Where to go with the key.

    Args:
        way_back: the page that was asked for.
        is_refused: a wrong key was given.
    """

    way_back: str
    is_refused: bool


def login_page(way_back: str, *, is_refused: bool = False) -> Page:
    """The page that asks for the key, and says so where the last one was wrong."""
    return Page(
        template="login.html",
        title="Log in",
        model=LoginModel(way_back, is_refused),
        status=401 if is_refused else 200,
    )
