"""Which proxy the environment asks for, and which servers it exempts."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from xray.wire.address import is_loopback


def find_proxy(scheme: str, host: str, port: int | None, environ: Mapping[str, str]) -> str | None:
    """The address of the proxy to reach a server through; None to connect directly.

    This machine is never reached through a proxy.

    Args:
        scheme: the server's, `http` or `https`.
        host: its name or address.
        port: its port; None for the scheme's own.
        environ: the variables of this process.
    """
    if is_loopback(host):
        return None
    proxy = _read(environ, f"{scheme}_proxy") or _read(environ, "all_proxy")
    if proxy is None or _is_exempt(host, port or _OWN_PORTS[scheme], _read(environ, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


_OWN_PORTS = {"http": 80, "https": 443}


def _read(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name, "").strip()
    # A web server may set HTTP_PROXY from a header that a stranger sent.
    if not value and not (name == "http_proxy" and "REQUEST_METHOD" in environ):
        value = environ.get(name.upper(), "").strip()
    return value or None


def _is_exempt(host: str, port: int, exempt: str | None) -> bool:
    return any(_covers(entry.strip(), host.lower(), port) for entry in (exempt or "").split(","))


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, colon, wanted = entry.lower().rpartition(":")
    if colon and wanted.isdecimal() and ":" not in name.strip("[]"):
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.lower().strip("[]").removeprefix("*").rstrip(".")
    if not entry.strip("."):
        return False
    address = _parse_address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    bare = entry.lstrip(".")
    host = host.rstrip(".")
    return host == bare or host.endswith(f".{bare}")


def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
