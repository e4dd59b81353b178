"""The server's settings: argument over environment over default, each checked."""

from __future__ import annotations

import pytest

from xray.errors import ConfigurationError
from xray.server.app import announce_store
from xray.server.context import Context
from xray.server.placement import StepPlacement
from xray.server.settings import ServerSettings, describe_settings, read_settings
from xray.store.memory import MemoryStore


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read_settings({})
    assert settings == ServerSettings()
    assert (settings.store, settings.host, settings.port) == (
        "sqlite:///xray.db",
        "127.0.0.1",
        8000,
    )
    assert settings.api_key is None


def test_the_environment_is_read_and_an_argument_wins_over_it() -> None:
    environ = {
        "XRAY_STORE": "memory:",
        "XRAY_API_KEY": "secret",
        "XRAY_ALLOWED_HOSTS": "xray.example, [2001:db8::1] ,",
        "XRAY_HOST": "::1",
        "XRAY_PORT": "9000",
        "XRAY_BODY_DEADLINE_S": "2.5",
    }
    settings = read_settings(environ, port=9001, store=None)
    assert settings == ServerSettings(
        store="memory:",
        api_key="secret",
        allowed_hosts=("xray.example", "2001:db8::1"),
        host="::1",
        port=9001,
        body_deadline_s=2.5,
    )


def test_an_empty_variable_counts_as_absent() -> None:
    assert read_settings({"XRAY_API_KEY": " ", "XRAY_PORT": ""}) == ServerSettings()


@pytest.mark.parametrize(
    ("env", "value", "allowed"),
    [
        ("XRAY_PORT", "http", "0 to 65535"),
        ("XRAY_PORT", "65536", "0 to 65535"),
        ("XRAY_ALLOWED_HOSTS", "http://xray.example", "host names"),
        ("XRAY_BODY_DEADLINE_S", "0", "above 0"),
        ("XRAY_BODY_DEADLINE_S", "nan", "above 0"),
        ("XRAY_INDEX_STATS", " , ", "names of statistics"),
        ("XRAY_INDEX_STATS", ",".join("abcdefghijklmnopq"), "at most 16"),
        ("XRAY_API_KEY", "two words", "without spaces"),
        ("XRAY_API_KEY", "schlüssel", "ASCII"),
        ("XRAY_HOST", "a\tb", "control characters"),
    ],
)
def test_a_value_that_cannot_be_used_says_what_can(env: str, value: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({env: value})
    assert env in caught.value.detail
    assert allowed in caught.value.hint
    if env == "XRAY_API_KEY":
        assert value not in str(caught.value)


def test_an_argument_is_checked_like_a_variable() -> None:
    with pytest.raises(ConfigurationError):
        read_settings({}, api_key="two words")


def test_every_setting_has_a_variable_and_a_meaning() -> None:
    rows = describe_settings()
    assert [row.name for row in rows] == list(ServerSettings.__dataclass_fields__)
    for row in rows:
        assert row.env.startswith("XRAY_")
        assert row.help


def test_a_password_in_the_address_of_the_store_is_told_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = ServerSettings(store="postgresql://xray:s3cret@db.example.org/xray")
    store = MemoryStore()
    told = Context(settings, store, StepPlacement(store)).tell_settings()
    shown = {one.variable: one.value for one in told}
    assert shown["XRAY_STORE"] == "postgresql://…@db.example.org/xray"
    with caplog.at_level("INFO", logger="uvicorn.error"):
        announce_store(settings)
    assert "db.example.org/xray" in caplog.text
    assert "s3cret" not in f"{told} {caplog.text}"
