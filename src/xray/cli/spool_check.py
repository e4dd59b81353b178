"""What `xray doctor` says of the spool: whether it can be written, and what waits in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xray.cli.wording import say_count
from xray.delivery.spool.files import SystemFiles
from xray.delivery.spool.lanes import open_lane
from xray.delivery.spool.places import list_places, name_destination
from xray.delivery.spool.survey import survey_destination
from xray.settings import read_settings


def examine_spool(url: str, environment: Mapping[str, str]) -> tuple[bool, str, str]:
    """Whether records for *url* would be safe on disk, what was seen, and what to do if not."""
    settings = read_settings({}, environment)
    if settings.offline_mode != "buffer":
        return True, f"not used: XRAY_OFFLINE_MODE is {settings.offline_mode}", ""
    name = name_destination(url)
    files = SystemFiles()
    destinations = [place / name for place in list_places(settings.spool_dir, environment)]
    try:
        lane = open_lane(files, destinations)
    except Exception as error:  # noqa: BLE001  (whatever a disk does is what is asked here)
        reason = getattr(error, "strerror", None) or type(error).__name__
        todo = "Set XRAY_SPOOL_DIR to a directory of yours; until then records wait in memory."
        return False, f"{destinations[0].parent} cannot be used: {reason}", todo
    lane.release()
    return True, f"{lane.path.parent}; {_say_waiting(lane.path.parent)}", ""


def _say_waiting(destination: Path) -> str:
    spool = survey_destination(SystemFiles(), destination)
    orphaned = sum(lane.records for lane in spool.orphaned)
    said = [f"{say_count(spool.records)} records wait" if spool.records else "nothing waits"]
    if orphaned:
        said.append(f"{say_count(orphaned)} of ended programs, for `xray sync`")
    if spool.quarantine:
        said.append("some were set aside, see `xray spool`")
    return "; ".join(said)
