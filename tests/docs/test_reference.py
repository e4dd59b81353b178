"""What the package exports and which settings it has is what the documents say."""

from __future__ import annotations

import inspect
import types

import pytest

import xray
from tests.docs.fences import ROOT
from xray.server.settings import describe_settings
from xray.settings import VARIABLES

README = (ROOT / "README.md").read_text("utf-8")


LOADED_WHEN_ASKED_FOR = {"Client", "replay"}


def test_the_public_names_are_each_there_once() -> None:
    assert len(set(xray.__all__)) == len(xray.__all__)


def test_the_public_names_are_those_the_package_has() -> None:
    present = {
        name
        for name, value in vars(xray).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert present - {"TYPE_CHECKING"} | LOADED_WHEN_ASKED_FOR == set(xray.__all__)


@pytest.mark.parametrize("name", [name for name in xray.__all__ if not name.isupper()])
def test_every_public_class_and_function_is_described(name: str) -> None:
    value = getattr(xray, name)
    assert callable(value)
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    assert own
    assert own.strip().splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("owner", [xray.XRay, xray.Run, xray.Step])
def test_every_public_method_is_described(owner: type) -> None:
    for name, member in vars(owner).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            assert member.__doc__, f"{owner.__name__}.{name}"


@pytest.mark.parametrize("variable", sorted({*VARIABLES.values(), "XRAY_CONFIG"}))
def test_every_variable_of_the_client_is_in_the_readme(variable: str) -> None:
    assert f"`{variable}" in README


@pytest.mark.parametrize("variable", sorted({item.env for item in describe_settings()}))
def test_every_variable_of_the_server_is_in_the_readme(variable: str) -> None:
    assert f"`{variable}" in README
