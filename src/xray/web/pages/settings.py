"""What the server runs with, and what the browser remembers."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request

from xray.model.sayings import say_bytes
from xray.web.page import Page
from xray.web.site import ToldSetting, site_of
from xray.wire.limits import Limits


@dataclass(frozen=True, slots=True)
class SettingsModel:
    """What the server runs with.

    Args:
        settings: what it was told, without secrets.
        limits: what a request may hold, by name.
        versions: of what is at work, by name.
        is_session: the reader came by a login, which can be ended.
    """

    settings: Sequence[ToldSetting]
    limits: Sequence[tuple[str, str]]
    versions: Mapping[str, str]
    is_session: bool


async def draw_settings(request: Request) -> Page:
    """The page of what the server runs with."""
    site = site_of(request)
    model = SettingsModel(
        settings=site.tell_settings(),
        limits=list_limits(site.limits),
        versions={
            "X-Ray": _find_version(),
            "API": str(request.app.openapi()["info"]["version"]),
            "Python": platform.python_version(),
        },
        is_session=site.has_key and "authorization" not in request.headers,
    )
    return Page(template="settings.html", title="Settings", model=model, section="settings")


def list_limits(limits: Limits) -> list[tuple[str, str]]:
    """What a request may hold, in words."""
    sizes = (
        ("a body as it is sent", limits.max_body_bytes),
        ("a body once decompressed", limits.max_inflated_bytes),
        ("one fact", limits.max_fact_bytes),
        ("one free-form value", limits.max_value_bytes),
    )
    counts = (
        ("facts in a batch", limits.max_facts),
        ("values and keys in a body", limits.max_nodes),
        ("levels within each other", limits.max_depth),
    )
    told = [(name, say_bytes(most)) for name, most in sizes]
    return told + [(name, f"{most:,}") for name, most in counts]


def _find_version() -> str:
    try:
        return version("xray-forensics")
    except PackageNotFoundError:
        return "not installed as a package"
