"""A replay stored as a run of its own, marked as one."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from xray.delivery.settings import DeliverySettings
from xray.destinations import find_destination
from xray.model.facts import Fact, RunStarted
from xray.model.values import open_map, pack_value
from xray.replaying.performing import Performed

_TAG: Final = "replay"
_DELIVERY_TIMEOUT_S: Final = 10.0


def keep_replay(performed: Performed, url: str, api_key: str | None) -> None:
    """Store what the first call of a replay recorded.

    The run is tagged `replay`, and its metadata say of which run and step it is one.

    Args:
        performed: the replay.
        url: the server or file.
        api_key: the server's key.

    Raises:
        XRayDeliveryError: it could not be stored.
    """
    settings = DeliverySettings(url=url, api_key=api_key, offline_mode="fail")
    destination = find_destination(settings)
    for fact in performed.facts:
        destination.put(_mark(fact, performed))
    destination.flush(_DELIVERY_TIMEOUT_S)


def _mark(fact: Fact, performed: Performed) -> Fact:
    if not isinstance(fact, RunStarted):
        return fact
    replay = performed.replay
    metadata = {**open_map(fact.metadata), "replay_of": replay.run_id, "replayed_step": replay.step}
    return replace(fact, tags=[*fact.tags, _TAG], metadata=pack_value(metadata))
