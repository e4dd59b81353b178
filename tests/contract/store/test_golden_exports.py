"""What a release exported, every later one imports, and answers as if it had recorded it itself."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import pytest

from tests.contract.golden.cut import FOLDER, NOW_US, batch_facts, read_facts
from xray.model.labels import LabelsAsked
from xray.store.memory import MemoryStore
from xray.testing.clock import FakeClock
from xray.transfer.copying import copy_runs
from xray.transfer.parquet.folder import FolderSource
from xray.transfer.parquet.manifest import NAME, VERSION, Manifest

EXPORTS = sorted(FOLDER.glob("export-*.zip"))


def test_there_is_an_export_in_every_version_of_the_format() -> None:
    assert [path.name for path in EXPORTS] == [f"export-{one + 1}.zip" for one in range(VERSION)]


@pytest.mark.parametrize("packed", EXPORTS, ids=lambda path: path.stem)
def test_an_export_of_a_release_is_imported_as_it_was_recorded(
    packed: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(packed) as opened:
        opened.extractall(tmp_path)
    manifest = msgspec.json.decode((tmp_path / NAME).read_bytes(), type=Manifest)
    imported, recorded = MemoryStore(FakeClock(NOW_US)), MemoryStore(FakeClock(NOW_US))
    facts = FOLDER / manifest.source.replace(".db.", ".facts.")
    for number, batch in enumerate(batch_facts(read_facts(facts.read_bytes()))):
        recorded.submit(str(number), batch).result()
    books = copy_runs(FolderSource(tmp_path), imported)
    assert not books.differing
    assert books.compared == manifest.amounts
    run_ids = recorded.run_ids("", 1_000)
    assert imported.run_ids("", 1_000) == run_ids
    for run_id in run_ids:
        assert imported.run(run_id) == recorded.run(run_id)
        steps = recorded.steps_of_run(run_id)
        assert imported.steps_of_run(run_id) == steps
        for step in steps:
            rows, expected = (one.decisions_of_step(step.step_id) for one in (imported, recorded))
            assert list(rows) == list(expected)
            rosters = [one.roster_of_step(step.step_id) for one in (imported, recorded)]
            for name in (f"p{number}" for number in range(0, 4_000, 89)):
                found = [roster and roster.find(name) for roster in rosters]
                assert found[0] == found[1]
    assert imported.labels(LabelsAsked(limit=1_000)) == recorded.labels(LabelsAsked(limit=1_000))
    assert imported.tallies() == recorded.tallies()
    for pipeline in ("shop", "café", "bulk"):
        assert imported.baselines(pipeline) == recorded.baselines(pipeline)
