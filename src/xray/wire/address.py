"""Where records go: the address of a server or a database file, and where a key may travel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from xray.errors import ConfigurationError
from xray.model.addresses import without_password

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_URL: Final = "http://127.0.0.1:8000"
_FILE_SCHEME: Final = "sqlite:"
_FILE_PREFIX: Final = "sqlite:///"


def check_destination(url: str) -> str:
    """*url* in one spelling: the address of a server, or of a database file to record into.

    Raises:
        ConfigurationError: it is neither.
    """
    return check_file(url) if names_file(url) else check_url(url)


def names_file(url: str) -> bool:
    """Whether *url* is meant for a database file, not for a server."""
    return url.startswith(_FILE_SCHEME)


def names_database(url: str) -> bool:
    """Whether *url* is of a database server, which X-Ray servers write and anybody may ask."""
    return url.startswith("postgresql://")


def check_file(url: str) -> str:
    """*url* with the absolute path of its file, so that it means the same in every folder.

    Raises:
        ConfigurationError: it names no file.
    """
    path = url.removeprefix(_FILE_PREFIX)
    is_plain = url.startswith(_FILE_PREFIX) and not any(mark in path for mark in "?#\0")
    if not is_plain or path in ("", "/", ":memory:") or path.endswith("/"):
        raise ConfigurationError(
            f"{url!r} names no database file.",
            hint="Give one like sqlite:///runs.db, or sqlite:////srv/runs.db with its whole path.",
            code="invalid_url",
        )
    # Two names of one file would have two locks, and two spools.
    from urllib.parse import quote, unquote

    return _FILE_PREFIX + quote(os.path.realpath(unquote(path)))


def find_file(url: str) -> Path:
    """The file that *url*, as `check_file` returned it, names."""
    from pathlib import Path
    from urllib.parse import unquote

    return Path(unquote(url.removeprefix(_FILE_PREFIX)))


def check_url(url: str) -> str:
    """*url* without a slash at its end.

    Raises:
        ConfigurationError: it is not the address of a server.
    """
    if names_file(url):
        raise ConfigurationError(
            "The address is a store, not a server.",
            hint=f"Ask the file itself, with --store {url}, or start a server on it, "
            f"`xray serve --store {url}`.",
            code="invalid_url",
        )
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_address = is_address and (parts.port is None or parts.port > 0)
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{without_password(url)!r} is not the address of a server.",
            hint=f"Give one like {DEFAULT_URL} with --url or XRAY_URL.",
            code="invalid_url",
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "The address of the server holds a name or password.",
            hint="Leave it out and give the key with XRAY_API_KEY.",
            code="invalid_url",
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether *host* is an address, or the name, of this machine to itself."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_exposed(scheme: str, host: str) -> bool:
    """Whether others could read what travels there: unencrypted, and to another machine."""
    return scheme == "http" and not is_loopback(host)


def check_key(api_key: str, url: str) -> str:
    """*api_key* as a header can carry it to *url*: over https, or to this machine.

    Raises:
        ConfigurationError: it holds what no key holds, or it would travel unencrypted.
    """
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ConfigurationError(
            "The key holds a space or a character that is not ASCII.",
            hint="Give the server's key as it is, with XRAY_API_KEY or --api-key.",
            code="invalid_key",
        )
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if is_exposed(parts.scheme, parts.hostname or ""):
        raise ConfigurationError(
            f"The key would travel to {parts.hostname} unencrypted.",
            hint="Use an https:// address, or one of this machine through a tunnel.",
            code="exposed_key",
        )
    return api_key
