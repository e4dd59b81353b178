"""Connections that keep to a deadline, from the look-up of a name to the last byte of an answer."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xray.delivery.turns import give_way

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

_MAX_PROMPT_LOOK_UPS: Final = 4
_MAX_LOOK_UPS: Final = 12
_LOOK_UP_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is.

    Args:
        scheme: `http` or `https`.
        host: its name or address.
        port: its port; None for the scheme's own.
        path: what its paths begin with.
    """

    scheme: str
    host: str
    port: int | None
    path: str


def make_pool(
    address: Address, ca_file: str | None, proxy: str | None, deadline: Deadline
) -> HTTPConnectionPool:
    """Connections to *address*, made when needed; a certificate nobody vouches for is refused.

    Args:
        address: where to connect.
        ca_file: certificates to trust instead of the system's.
        proxy: the address of a proxy to go through; None for none.
        deadline: what every connection keeps to.
    """
    import encodings.idna  # noqa: F401  (the first look-up of a name would import it)
    from http.client import HTTPResponse

    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.util import make_headers, parse_url

    look_ups = _LookUps(deadline)

    class Response(HTTPResponse):
        def begin(self) -> None:
            super().begin()
            # Of headers that are none urllib3 would write a traceback into the program's log.
            self.msg.defects.clear()
            self.msg.set_payload("")

    class Connection(HTTPConnection):
        response_class = Response

        def putrequest(self, *arguments: Any, **named: Any) -> None:
            give_way()
            super().putrequest(*arguments, **named)

        def _new_conn(self) -> socket.socket:
            return _connect(self, look_ups.find(self, self._dns_host), deadline)

        def connect(self) -> None:
            super().connect()
            self.sock = _bound(self.sock, deadline)

    class SecureConnection(HTTPSConnection):
        response_class = Response

        def putrequest(self, *arguments: Any, **named: Any) -> None:
            give_way()
            super().putrequest(*arguments, **named)

        def _new_conn(self) -> socket.socket:
            return _connect(self, look_ups.find(self, self._dns_host), deadline)

        def _tunnel(self) -> None:
            plain = self.sock
            self.sock = _bound(plain, deadline)
            try:
                super()._tunnel()
            finally:
                if self.sock is not None:
                    self.sock = plain
            # What is left for the handshake that follows.
            plain.settimeout(deadline.remaining_s())

        def connect(self) -> None:
            with _leaving_nothing_open():
                super().connect()
            self.sock = _bound(self.sock, deadline)

    is_secure = address.scheme == "https"
    pool: HTTPConnectionPool
    if proxy is not None:
        login = make_headers(proxy_basic_auth=parse_url(proxy).auth) if "@" in proxy else None
        manager = urllib3.ProxyManager(
            proxy, proxy_headers=login, maxsize=1, cert_reqs="CERT_REQUIRED", ca_certs=ca_file
        )
        pool = manager.connection_from_host(address.host, address.port, address.scheme)
    elif is_secure:
        pool = urllib3.HTTPSConnectionPool(
            address.host, address.port, maxsize=1, cert_reqs="CERT_REQUIRED", ca_certs=ca_file
        )
    else:
        pool = urllib3.HTTPConnectionPool(address.host, address.port, maxsize=1)
    pool.ConnectionCls = SecureConnection if is_secure else Connection
    return pool


def _connect(connection: Any, addresses: Sequence[str], deadline: Deadline) -> socket.socket:
    """A socket to the first of *addresses* that takes it within the time that is left."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    failure: OSError = OSError("the name has no address")
    for address in addresses:
        timeout_s = min(connection.timeout, deadline.remaining_s())
        try:
            sock = socket.create_connection((address, connection.port), timeout_s)
        except OSError as error:
            failure = error
            continue
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            # A handshake may follow, and takes no longer than a connection may.
            sock.settimeout(min(connection.timeout, deadline.remaining_s()))
        except OSError:
            sock.close()
            raise
        return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "no connection in time") from failure
    raise NewConnectionError(connection, str(failure)) from failure


class _LookUps:
    """Finds addresses within a deadline.

    A name service that hangs cannot be interrupted, so a thread that asks it is left behind. There
    are only so many of them, and each beyond the first few waits twice as long as the one before:
    a service that answers again is asked though its earlier askers never hear of it.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._asking: list[threading.Thread] = []
        self._asked_at_s = 0.0

    def find(self, connection: Any, host: str) -> list[str]:
        """The addresses of *host*, best first."""
        from urllib3.exceptions import ConnectTimeoutError, NameResolutionError

        if _is_address(host):
            return [host]
        found: list[str] = []
        problems: list[Exception] = []

        def ask() -> None:
            try:
                entries = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
                found.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))
            except (OSError, UnicodeError) as error:
                problems.append(error)

        if not self._may_ask():
            raise ConnectTimeoutError(connection, "the name service does not answer")
        thread = threading.Thread(target=ask, name="xray-look-up", daemon=True)
        self._asked_at_s = time.monotonic()
        try:
            thread.start()
        except RuntimeError:  # no thread can be started any more
            ask()
        else:
            self._asking.append(thread)
            thread.join(self._deadline.remaining_s())
            if thread.is_alive():
                raise ConnectTimeoutError(connection, "the name service does not answer")
        if problems:
            cause = socket.gaierror(socket.EAI_NONAME, "the name is not known")
            raise NameResolutionError(host, connection, cause) from problems[0]
        return found

    def _may_ask(self) -> bool:
        self._asking = [thread for thread in self._asking if thread.is_alive()]
        beyond = len(self._asking) - _MAX_PROMPT_LOOK_UPS
        if beyond < 0:
            return True
        is_due = time.monotonic() - self._asked_at_s > _LOOK_UP_PATIENCE_S * (1 << beyond)
        return is_due and len(self._asking) < _MAX_LOOK_UPS


def _is_address(host: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


class Deadline:
    """A moment that everything in the exchange in progress is held to.

    A socket's own timeout bounds each call, so a server that sends a byte now and then would
    never time out.
    """

    def __init__(self) -> None:
        self._at_s = 0.0

    def set(self, seconds: float) -> None:
        """Begin an exchange that may take *seconds*."""
        self._at_s = time.monotonic() + seconds

    def remaining_s(self) -> float:
        """What is left of it; raises TimeoutError when nothing is."""
        remaining_s = self._at_s - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError("the exchange took too long")
        return remaining_s


@contextmanager
def _leaving_nothing_open() -> Iterator[None]:
    """Close the socket that Python was about to speak TLS on when that failed.

    Before 3.13 it leaves one to the collector whose connection is reset before the handshake, and
    then nobody else knows of it but the frames of the failure.
    """
    from ssl import SSLSocket

    try:
        yield
    except OSError as error:
        trace = error.__traceback__
        while trace is not None:
            wrapped = trace.tb_frame.f_locals.get("self")
            if isinstance(wrapped, SSLSocket):
                wrapped.close()
            trace = trace.tb_next
        raise


def _bound(sock: Any, deadline: Deadline) -> Any:
    return _BoundSocket(sock, deadline)


class _BoundSocket:
    """A connected socket whose reads and writes end at a deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        give_way()
        # That of a socket under TLS begins a new timeout with each part.
        left = memoryview(data)
        while left:
            self._sock.settimeout(self._deadline.remaining_s())
            left = left[self._sock.send(left) :]

    def makefile(self, mode: str, *_: object, **__: object) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError("Only reading is bounded.")
        return io.BufferedReader(
            _BoundReader(self._sock.makefile("rb", buffering=0), self._sock, self._deadline)
        )

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _BoundReader(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, sock: socket.socket, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.remaining_s())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
