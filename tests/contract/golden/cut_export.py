"""Keep a folder as this version exports it, of the newest database that is kept here.

    python -m tests.contract.golden.cut_export

writes `export-<version of the format>.zip` into this folder. What a release exported, every later
one must import: a version gets its file once, and it is never written again.
"""

from __future__ import annotations

import lzma
import sys
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path

from tests.contract.golden.cut import FOLDER, NOW_US
from xray.store.sqlite.engine import SqliteStore
from xray.testing import FakeClock
from xray.transfer.parquet.folder import export_folder
from xray.transfer.parquet.manifest import VERSION


def main() -> int:
    """Write the file of this version, unless it is there."""
    target = FOLDER / f"export-{VERSION}.zip"
    if target.exists():
        print(f"{target.name} is there already, and is never written again.", file=sys.stderr)
        return 1
    database = max(FOLDER.glob("*.db.xz"), key=lambda path: int(path.name[len("sqlite-") : -6]))
    with tempfile.TemporaryDirectory() as place:
        path, folder = Path(place) / "xray.db", Path(place) / "export"
        path.write_bytes(lzma.decompress(database.read_bytes()))
        with closing(SqliteStore(path, clock=FakeClock(NOW_US))) as store:
            export_folder(
                store, folder, source=database.name, query="", now_us=NOW_US, show=lambda *_: None
            )
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            for file in sorted(folder.rglob("*.*")):
                packed.write(file, file.relative_to(folder))
    print(f"{target.name}: {target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
