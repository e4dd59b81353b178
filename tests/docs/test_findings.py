"""docs/findings.md says what each finding of one run means."""

from __future__ import annotations

import re
from pathlib import Path

from xray.forensics.findings.noticing import SURPRISES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")


def test_every_code_is_explained_and_no_other() -> None:
    cells = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `")]
    explained = [code for cell in cells for code in re.findall(r"`(\w+)`", cell)]
    assert set(explained) >= set(SURPRISES)
    assert len(explained) == len(set(explained))


def test_a_surprise_is_a_share() -> None:
    assert all(0 <= surprise <= 1 for surprise in SURPRISES.values())
