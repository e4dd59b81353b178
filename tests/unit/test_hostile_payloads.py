"""What a pipeline hands over as output is kept whole or cut with a mark, whatever it is.

How long that takes is measured by `bench.caller`, which records the same payloads.
"""

import msgspec
import pytest

from bench.caller import PAYLOADS
from xray import XRay
from xray.model.values import MARK
from xray.testing import MemorySink

WHOLE = "a payload of 50 KB"


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_hostile_payload_is_cut_with_a_mark_that_the_run_counts(
    name: str, xray_sink: MemorySink
) -> None:
    payload = PAYLOADS[name]()
    with XRay("p", sink=xray_sink).run() as run:
        run.set_output(payload)
    [finished] = xray_sink.finished_runs
    output = bytes(finished.output)
    if name == WHOLE:
        assert msgspec.msgpack.decode(output) == payload
        assert not finished.omissions
    else:
        assert MARK.encode() in output
        assert sum(finished.omissions.values()) >= 1
    assert len(output) <= 262_144
