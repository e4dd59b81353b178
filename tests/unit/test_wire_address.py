"""What an address is, and where a key may travel: one rule for both ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from xray.errors import ConfigurationError
from xray.wire.address import (
    check_destination,
    check_file,
    check_key,
    find_file,
    is_exposed,
    is_loopback,
    names_file,
)


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


def test_a_database_file_is_the_same_under_every_name_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "my runs" / "a.db"
    file.parent.mkdir()
    (tmp_path / "linked").symlink_to(file.parent)
    monkeypatch.chdir(file.parent)
    url = f"sqlite:///{tmp_path}/my%20runs/a.db"
    for spelling in ("a.db", "./a.db", "../my runs/a.db", f"{tmp_path}/linked/a.db", f"{file}"):
        assert check_file(f"sqlite:///{spelling}") == url
        assert check_destination(f"sqlite:///{spelling}") == url
    assert find_file(url) == file
    assert check_file(url) == url


@pytest.mark.parametrize(
    "url",
    ["sqlite:", "sqlite://", "sqlite:///", "sqlite://a.db", "sqlite:////", "sqlite:///:memory:",
     "sqlite:///a.db?mode=ro", "sqlite:///a.db#x", "sqlite:///folder/"],
)  # fmt: skip
def test_what_names_no_file_is_refused(url: str) -> None:
    assert names_file(url)
    with pytest.raises(ConfigurationError, match="names no database file"):
        check_file(url)
