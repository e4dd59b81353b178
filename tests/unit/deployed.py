"""Reading what is in deploy/ as the programs it is meant for read it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.fences import ROOT
from xray.reading.shelf import MAX_DECISIONS
from xray.server.serving import SHUTDOWN_S
from xray.server.space import OPENED_BYTES, RECEIVED_BYTES

PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
VERSION = re.findall(r'^version = "(.+)"$', PROJECT, re.MULTILINE)[0]
IMAGE = "xray-forensics"
COMMIT_S = 10
GRACE_S = SHUTDOWN_S + COMMIT_S
"""Requests that go on end, and what waits is committed."""
MEMORY_BYTES = RECEIVED_BYTES + OPENED_BYTES + MAX_DECISIONS * 400 + (256 << 20)
"""Bodies, runs that are kept open, and the process itself with what waits to be written."""

_SIZE = re.compile(r"(\d+)\s*([kmg])(i?b?)", re.IGNORECASE)
_UNITS = {"k": 10, "m": 20, "g": 30}
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, without line ends and comments."""

    word: str
    rest: str


def read_instructions(path: Path) -> list[Instruction]:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    words = (" ".join(line.split()).partition(" ") for line in joined.splitlines() if line.strip())
    return [Instruction(word, rest) for word, _, rest in words]


def read_example(path: Path) -> dict[str, str]:
    """The names of an env file, and what it gives them."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def read_environment(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(text))


def fill_in(environment: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service as Compose makes it; KeyError where it would refuse."""

    def value(match: re.Match[str]) -> str:
        name, mark, text = match.groups()
        if given.get(name):
            return given[name]
        if mark == "?":
            raise KeyError(name)
        return text or ""

    return {name: _VARIABLE.sub(value, str(text)) for name, text in environment.items()}


def read_bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    assert found, text
    return int(found[1]) << _UNITS[found[2].lower()]


def read_seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text[:-1])
