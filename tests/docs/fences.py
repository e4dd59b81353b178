"""The fenced blocks of a Markdown document, with the section each stands in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\s*$")
_HEADING = re.compile(r"^#{1,6} (.+)$")


@dataclass(frozen=True)
class Fence:
    """One fenced block; `not_run` says why it is not executed."""

    document: str
    section: str
    language: str
    line: int
    text: str
    not_run: str | None


def read_fences(path: Path) -> list[Fence]:
    found: list[Fence] = []
    section, opened, language = "", 0, ""
    block: list[str] = []
    reason: str | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened:
            if line.rstrip() == "```":
                name = path.relative_to(ROOT).as_posix()
                text = "\n".join(block) + "\n"
                found.append(Fence(name, section, language, opened, text, reason))
                opened, block, reason = 0, [], None
            else:
                block.append(line)
        elif fence:
            opened, language = number, fence[1]
        elif heading := _HEADING.match(line):
            section, reason = heading[1], None
        elif comment := re.match(r"^<!-- not run: (.+) -->$", line.strip()):
            reason = comment[1]
        elif line.strip():
            reason = None
    assert not opened, f"{path.name}:{opened} opens a block that nothing closes"
    return found


def blocks(*languages: str) -> list[Fence]:
    """Every block of every document in one of *languages* that is to be run."""
    return [
        fence
        for path in DOCUMENTS
        for fence in read_fences(path)
        if fence.language in languages and fence.not_run is None
    ]
