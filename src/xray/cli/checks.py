"""What `xray doctor` checks, from this process outwards; what cannot be checked is skipped."""

from __future__ import annotations

import difflib
import platform
import socket
import ssl
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from xray.cli.checkpoint import Checkpoint
from xray.cli.connection import Setting, resolve_api_key, resolve_url
from xray.cli.file_checks import check_file_road
from xray.cli.round_trip import check_round_trip
from xray.cli.spool_check import examine_spool
from xray.cli.version import read_version
from xray.cli.wording import say_duration
from xray.client import Client
from xray.errors import ConfigurationError, XRayError
from xray.replies import Reply, problem_of
from xray.settings import CONFIG_VARIABLE, VARIABLES, check_setting
from xray.wire.address import check_destination, check_file, names_file

CONNECT_TIMEOUT_S: Final = 5.0
MAX_CLOCK_SKEW_S: Final = 5.0
API_VERSION: Final = "1"


class _Info(Struct, frozen=True):
    version: str


class _Document(Struct, frozen=True):
    info: _Info


def check_road(args: Namespace, environment: Mapping[str, str]) -> Iterator[Checkpoint]:
    """Look at everything between this process and a stored run, nearest first.

    With a database file in place of a server, the road ends at the file.

    Args:
        args: the options of `xray doctor`.
        environment: the variables of this process.
    """
    python = f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})"
    yield Checkpoint("python", "ok", python)
    yield Checkpoint("xray", "ok", read_version())
    url, key = _settle_path(resolve_url(args, environment)), resolve_api_key(args, environment)
    yield from check_settings(url, key, environment)
    is_safe, detail, todo = examine_spool(url.value or "", environment)
    yield Checkpoint("spool", "ok" if is_safe else "problem", detail, todo)
    try:
        if url.value is not None and names_file(url.value):
            file_url = check_file(url.value)
            yield from check_file_road(file_url, is_write_asked=args.write)
            return
        client = Client(url.value, key.value, timeout_s=CONNECT_TIMEOUT_S)
    except ConfigurationError as error:
        yield Checkpoint("address", "problem", error.detail, error.hint)
        yield Checkpoint("server", "skipped", "there is no address to ask")
        return
    with client:
        is_reached = True
        for checkpoint in check_connection(client.url, url.source):
            is_reached = is_reached and checkpoint.verdict == "ok"
            yield checkpoint
        if is_reached:
            yield from check_server(client, is_write_asked=args.write, key=key)
        else:
            yield Checkpoint("server", "skipped", "it cannot be reached")


def _settle_path(url: Setting) -> Setting:
    try:
        return Setting(url.name, check_destination(url.value or ""), url.source)
    except ConfigurationError:
        return url


def check_settings(
    url: Setting, key: Setting, environment: Mapping[str, str]
) -> Iterator[Checkpoint]:
    """Every setting, where it came from, and whether it can be used."""
    yield Checkpoint("XRAY_URL", "ok", f"{_say_url(url)} ({url.source})")
    secret = "no key" if key.value is None else f"a key of {len(key.value)} characters"
    yield Checkpoint("XRAY_API_KEY", "ok", f"{secret} ({key.source})")
    for setting, name in VARIABLES.items():
        if name not in (url.name, key.name) and environment.get(name):
            yield _check_variable(setting, name, environment[name])
    if environment.get(CONFIG_VARIABLE):
        yield _check_file(environment[CONFIG_VARIABLE])
    known = (*VARIABLES.values(), CONFIG_VARIABLE)
    for name in sorted(environment):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if name.startswith("XRAY") and near and near[0] != name:
            detail = f"is set, and no setting has that name: did you mean {near[0]}?"
            yield Checkpoint(name, "problem", detail, f"Set {near[0]}, and unset {name}.")


def _say_url(url: Setting) -> str:
    try:
        return check_destination(url.value or "")
    except ConfigurationError:
        return "a value that is no address"


def _check_variable(setting: str, name: str, value: str) -> Checkpoint:
    try:
        check_setting(setting, value)
    except ConfigurationError as error:
        todo = f"{error.detail} What counts next is used until then."
        return Checkpoint(name, "problem", f"{value!r} cannot be used", todo)
    return Checkpoint(name, "ok", f"{value} ({name})")


def _check_file(path: str) -> Checkpoint:
    if Path(path).is_file():
        return Checkpoint(CONFIG_VARIABLE, "ok", f"{path} is there")
    todo = f"Correct the path, or unset {CONFIG_VARIABLE}."
    return Checkpoint(CONFIG_VARIABLE, "problem", f"there is no file {path}", todo)


def check_connection(url: str, source: str) -> Iterator[Checkpoint]:
    """Whether the server's name is known and its port takes connections."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        todo = f"Check the host name in {source}, and this machine's name service."
        yield Checkpoint("name", "problem", f"{host} is not known: {error}", todo)
        return
    addresses = ", ".join(sorted({str(entry[4][0]) for entry in found}))
    yield Checkpoint("name", "ok", f"{host} is {addresses}")
    began_s = time.perf_counter()
    try:
        socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        change = (
            "name another with --url or XRAY_URL" if source == "default" else f"change {source}"
        )
        todo = f"Start a server with `xray serve`, or {change}."
        yield Checkpoint("connection", "problem", f"{host}:{port}: {_say_os_error(error)}", todo)
        return
    took_ms = (time.perf_counter() - began_s) * 1000
    yield Checkpoint("connection", "ok", f"{host}:{port} in {say_duration(took_ms)}")


def _say_os_error(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    return (error.strerror or str(error)).lower()


def check_server(client: Client, *, is_write_asked: bool, key: Setting) -> Iterator[Checkpoint]:
    """Whether X-Ray answers there, takes the key, is of this version and agrees on the time."""
    asked_s = time.time()
    health, reply = _check_health(client)
    answered_s = time.time()
    yield health
    if reply is None or health.verdict != "ok":
        return
    accepted = _check_key(client, key)
    yield accepted
    yield check_clock(reply.headers.get("date"), asked_s, answered_s)
    if accepted.verdict != "ok":
        yield Checkpoint("version", "skipped", "the server does not talk to this process")
        return
    yield _check_version(client)
    if is_write_asked:
        yield check_round_trip(client.url, key.value, lambda: client)
    else:
        yield Checkpoint("round trip", "skipped", "--write records a run and reads it back")


def _check_health(client: Client) -> tuple[Checkpoint, Reply | None]:
    try:
        reply = client.ask("/health")
    except XRayError as error:
        return Checkpoint("health", "problem", error.detail, error.hint), None
    if reply.status == 200 and _is_healthy(reply.body):
        return Checkpoint("health", "ok", "the server says ok"), reply
    if reply.status == 200:
        todo = "Something else listens there: give X-Ray's own address with --url or XRAY_URL."
        return Checkpoint("health", "problem", "the answer is not X-Ray's", todo), reply
    refusal = problem_of(reply, client.url)
    return Checkpoint("health", "problem", refusal.detail, refusal.hint), reply


def _is_healthy(body: bytes) -> bool:
    try:
        return bool(msgspec.json.decode(body) == {"status": "ok"})
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _check_key(client: Client, key: Setting) -> Checkpoint:
    try:
        client.get("/v1/runs", [("limit", "1")])
    except XRayError as error:
        return Checkpoint("key", "problem", error.detail, error.hint)
    taken = "the server wants none" if key.value is None else "the server takes it"
    return Checkpoint("key", "ok", taken)


def check_clock(date: str | None, asked_s: float, answered_s: float) -> Checkpoint:
    """Whether this machine's clock agrees with the server's.

    Args:
        date: the Date header of an answer; whole seconds.
        asked_s: when the question left, seconds since 1970 on this machine.
        answered_s: when the answer was here.
    """
    try:
        server_s = parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return Checkpoint("clock", "skipped", "the server does not say its time")
    # The header is cut to the second: the true time lies within the second it names.
    ahead_s = max(0.0, asked_s - (server_s + 1)) or min(0.0, answered_s - server_s)
    if abs(ahead_s) <= MAX_CLOCK_SKEW_S:
        return Checkpoint("clock", "ok", "agrees with the server's")
    side = "ahead of" if ahead_s > 0 else "behind"
    detail = f"this machine is {say_duration(abs(ahead_s) * 1000)} {side} the server"
    return Checkpoint("clock", "problem", detail, "Let both keep time with NTP.")


def _check_version(client: Client) -> Checkpoint:
    try:
        theirs = msgspec.json.decode(client.get("/openapi.json"), type=_Document).info.version
    except (XRayError, msgspec.DecodeError):
        return Checkpoint("version", "skipped", "the server does not say its version")
    if theirs == API_VERSION:
        return Checkpoint("version", "ok", f"both speak version {API_VERSION} of the API")
    detail = f"the server speaks version {theirs} of the API, this is version {API_VERSION}"
    todo = "Install versions of xray-forensics that belong together on both sides."
    return Checkpoint("version", "problem", detail, todo)
