"""The server's settings: one table of names, variables, defaults and meanings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final

from xray.errors import ConfigurationError
from xray.query.retention import read_policy

DEFAULT_STORE: Final = "sqlite:///xray.db"
_MAX_INDEXED_STATS: Final = 16
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


def _parse_text(text: str) -> str:
    if not text.isprintable():
        raise ValueError("text without control characters")
    return text


def _parse_key(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("ASCII characters without spaces")
    return text


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise ValueError("a number from 0 to 65535; 0 takes a free port")
    return int(text)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("a number of seconds above 0, at most 3600")
    return seconds


def _parse_hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().strip("[]").lower() for part in text.split(",") if part.strip())
    if any(not _is_host_name(host) for host in hosts):
        raise ValueError("host names or addresses without port, separated by commas")
    return hosts


def _parse_stats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if names == ("none",):
        return ()
    if not names or len(names) > _MAX_INDEXED_STATS or not text.isprintable():
        raise ValueError(
            f"names of statistics separated by commas, at most {_MAX_INDEXED_STATS}, or none"
        )
    return names


def _parse_retention(text: str) -> str:
    try:
        read_policy(text)
    except ConfigurationError as error:
        raise ValueError(f"rules of retention: {error}") from error
    return text


def _is_host_name(host: str) -> bool:
    return host.isascii() and all(part.isalnum() or part in "-._:" for part in host)


def _setting(
    env: str, default: object, parse: Callable[[str], object], about: str
) -> Any:  # the field's own annotation gives the type
    return field(default=default, metadata={"env": env, "parse": parse, "help": about})


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What the server is told: by an argument, else the environment, else the default.

    Args:
        store: the address of the store: `sqlite:///file`, or `memory:` for one that is forgotten.
        api_key: the key every request must bring; None serves loopback connections only.
        allowed_hosts: names clients may use for this server, besides the loopback ones.
        host: the address `xray serve` listens on.
        port: its port.
        body_deadline_s: how long a client may take to send a body.
        index_stats: the statistics of steps that are indexed; None leaves them as the store has
            them.
        retention: rules that say how long which runs are kept; empty keeps all for ever.
        retention_interval_s: how often they are followed.
    """

    store: str = _setting(
        "XRAY_STORE",
        DEFAULT_STORE,
        _parse_text,
        "where records are kept; a file path is relative to the working directory",
    )
    api_key: str | None = _setting(
        "XRAY_API_KEY", None, _parse_key, "the key requests bring as `Authorization: Bearer …`"
    )
    allowed_hosts: tuple[str, ...] = _setting(
        "XRAY_ALLOWED_HOSTS",
        (),
        _parse_hosts,
        "host names, separated by commas, that are answered besides localhost",
    )
    host: str = _setting("XRAY_HOST", "127.0.0.1", _parse_text, "the address to listen on")
    port: int = _setting("XRAY_PORT", 8000, _parse_port, "the port to listen on; 0 takes any")
    body_deadline_s: float = _setting(
        "XRAY_BODY_DEADLINE_S", 30.0, _parse_seconds, "how long a client may take to send a body"
    )
    index_stats: tuple[str, ...] | None = _setting(
        "XRAY_INDEX_STATS",
        None,
        _parse_stats,
        "statistics of steps to index, separated by commas, or `none`; unset: as the file has them",
    )
    retention: str = _setting(
        "XRAY_RETENTION",
        "",
        _parse_retention,
        "how long which runs are kept, e.g. `keep 90d where status = 'failed'; keep 14d`",
    )
    retention_interval_s: float = _setting(
        "XRAY_RETENTION_INTERVAL_S",
        3600.0,
        _parse_seconds,
        "how often runs that expired are deleted",
    )

    @property
    def is_store_shared(self) -> bool:
        """Whether other servers may write the same store."""
        return self.store.startswith("postgresql:")


@dataclass(frozen=True)
class SettingHelp:
    """One line of the settings table, for `--help` and the documentation."""

    name: str
    env: str
    default: object
    help: str


def describe_settings() -> list[SettingHelp]:
    """Every setting of the server with its environment variable, default and meaning."""
    return [
        SettingHelp(item.name, item.metadata["env"], item.default, item.metadata["help"])
        for item in fields(ServerSettings)
    ]


def read_settings(environ: Mapping[str, str] | None = None, **given: object) -> ServerSettings:
    """The settings of *environ*, except those that are given.

    Args:
        environ: the environment; this process's when None. An empty variable counts as absent.
        given: settings by name that win over the environment; None counts as absent.

    Raises:
        ConfigurationError: a variable has a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for item in fields(ServerSettings):
        said = given.get(item.name)
        if said is None:
            said = environ.get(item.metadata["env"], "").strip() or None
        if isinstance(said, str):
            values[item.name] = _parse(item, said)
        elif said is not None:
            values[item.name] = said
    return ServerSettings(**values)


def _parse(item: Field[Any], text: str) -> object:
    try:
        return item.metadata["parse"](text)
    except ValueError as error:
        shown = "what it is" if item.name == "api_key" else repr(text)
        raise ConfigurationError(
            f"{item.metadata['env']} ({item.metadata['help']}) cannot be {shown}.",
            hint=f"It takes {error}.",
        ) from None
