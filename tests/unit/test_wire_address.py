"""What an address is, and where a key may travel: one rule for both ends."""

from __future__ import annotations

import pytest

from xray.errors import ConfigurationError
from xray.wire.address import check_key, is_exposed, is_loopback


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "::1%lo", "::ffff:127.0.0.1", "Localhost"]
)
def test_this_machine_is_known_under_every_name_it_gives_itself(host: str) -> None:
    assert is_loopback(host)
    assert not is_exposed("http", host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "localhost.example", "127.0.0.1.x"]
)
def test_another_machine_is_never_taken_for_this_one(host: str) -> None:
    assert not is_loopback(host)
    assert is_exposed("http", host)
    assert not is_exposed("https", host)


def test_a_key_travels_encrypted_or_not_at_all() -> None:
    assert check_key("k3y", "http://[::ffff:127.0.0.1]:8000") == "k3y"
    assert check_key("k3y", "https://xray.example") == "k3y"
    with pytest.raises(ConfigurationError, match="unencrypted"):
        check_key("k3y", "http://xray.example")
