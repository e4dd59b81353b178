"""Files of golden decisions as tests: `pytest --xray-golden=sqlite:///runs.db golden/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xray.client import Client
from xray.errors import XRayError
from xray.golden import Golden, read_golden, verify_golden
from xray.wire.address import DEFAULT_URL, names_file


class GoldenFile(pytest.File):
    """A file whose every block is a test."""

    def collect(self) -> Iterator[GoldenItem]:
        """One test for the runs of each block."""
        try:
            goldens = read_golden(self.path.read_text("utf-8"), self.path.name)
        except XRayError as error:
            raise self.CollectError(str(error)) from error
        for golden in goldens:
            name = "the newest run" if golden.query is None else golden.query
            yield GoldenItem.from_parent(self, name=name, golden=golden)


class GoldenItem(pytest.Item):
    """What is expected of some runs.

    Args:
        golden: the runs and the expectations.
    """

    def __init__(self, *, golden: Golden, **options: Any) -> None:
        super().__init__(**options)
        self._golden = golden

    def runtest(self) -> None:
        """Ask the server or the file for the runs, and compare."""
        with _open_client(self.config.getoption("xray_golden")) as client:
            verified = list(verify_golden(client, self._golden, "last"))
        broken = [str(one) for one in verified if one.is_met is not True]
        if broken:
            raise AssertionError("\n".join(broken))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> str:
        """What was expected and what was found, without the frames of this plugin."""
        if isinstance(excinfo.value, (AssertionError, XRayError)):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the block stands."""
        return self.path, self._golden.line - 1, f"{self.path.name}: {self.name}"


def _open_client(url: str) -> Client:
    url = url or os.environ.get("XRAY_URL") or DEFAULT_URL
    if names_file(url):
        from xray.local import LocalClient

        return LocalClient(url)
    return Client(url, os.environ.get("XRAY_API_KEY"))
