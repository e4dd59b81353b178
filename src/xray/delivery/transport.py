"""One HTTP exchange with the server, bounded in time and in what it reads."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

from xray.delivery.forks import hold_forks
from xray.delivery.settings import DeliverySettings
from xray.wire.address import is_exposed

MAX_ANSWER_BYTES: Final = 64 << 10
BATCHES_PATH: Final = "/v1/batches"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Args:
        status: the HTTP status.
        body: at most 64 KB of it.
        retry_after: that header, where it was sent.
        is_complete: False where the body was longer, or cut off.
    """

    status: int
    body: bytes = b""
    retry_after: str | None = None
    is_complete: bool = True


class TransportError(Exception):
    """There was no answer.

    Args:
        problem: why, in a few words that hold nothing of a record.
        is_lasting: asking again soon cannot help: a certificate, an address, a setting.
    """

    def __init__(self, problem: str, *, is_lasting: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.is_lasting = is_lasting


class Transport(Protocol):
    """Posts bodies; one thread uses it at a time."""

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        """Post *body* to the batches path.

        Args:
            body: the content.
            headers: to be sent with it.
            deadline_s: how long all of it may take.

        Raises:
            TransportError: there was no answer within that time.
        """
        ...

    def close(self) -> None:
        """Give back what is open."""
        ...


class HttpTransport:
    """Posts over one connection that is kept alive; follows no redirect, trusts no bad certificate.

    Args:
        settings: the address, the key, the certificates.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._pool: HTTPConnectionPool | None = None
        self._path = ""
        self._deadline = _Deadline()

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        """Post *body* to the batches path; raises TransportError when nothing answers in time."""
        pool = self._pool or self._open_pool()
        import urllib3.exceptions as failures

        self._deadline.set(deadline_s)
        try:
            return self._exchange(pool, body, {**headers, **self._authorization()})
        except failures.SSLError as error:
            raise TransportError(
                f"TLS: {_name(error)}", is_lasting=_is_certificate(error)
            ) from None
        except failures.LocationParseError:
            raise TransportError("the address cannot be used", is_lasting=True) from None
        except (failures.HTTPError, OSError) as error:
            raise TransportError(_name(error)) from None
        except ValueError:
            raise TransportError("the API key cannot stand in a header", is_lasting=True) from None

    def _exchange(self, pool: HTTPConnectionPool, body: bytes, headers: dict[str, str]) -> Answer:
        import urllib3

        connect_s = min(self._settings.connect_timeout_s, self._deadline.remaining_s())
        response = pool.urlopen(
            "POST",
            self._path,
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=connect_s, read=self._deadline.remaining_s()),
            preload_content=False,
            decode_content=False,
        )
        try:
            content = response.read(MAX_ANSWER_BYTES + 1)
        except BaseException:
            response.close()
            raise
        is_complete = len(content) <= MAX_ANSWER_BYTES
        if is_complete:
            response.release_conn()
        else:
            response.close()
        return Answer(
            response.status,
            content[:MAX_ANSWER_BYTES],
            response.headers.get("Retry-After"),
            is_complete,
        )

    def _authorization(self) -> dict[str, str]:
        key = self._settings.api_key
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _open_pool(self) -> HTTPConnectionPool:
        with hold_forks():
            parts = self._read_url()
            pool = _make_pool(parts, self._settings.ca_file, self._deadline)
        self._path = parts.path.rstrip("/") + BATCHES_PATH
        self._pool = pool
        return pool

    def _read_url(self) -> _Address:
        try:
            parts = urlsplit(self._settings.url)
            address = _Address(parts.scheme, parts.hostname or "", parts.port, parts.path)
        except ValueError:
            raise TransportError("the address cannot be used", is_lasting=True) from None
        if address.scheme not in ("http", "https") or not address.host:
            raise TransportError("the address is not http:// or https://", is_lasting=True)
        if self._settings.api_key and is_exposed(address.scheme, address.host):
            raise TransportError(
                "the API key is not sent over plain http to another machine; use https",
                is_lasting=True,
            )
        return address

    def close(self) -> None:
        """Give the connection back."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    host: str
    port: int | None
    path: str


def _make_pool(address: _Address, ca_file: str | None, deadline: _Deadline) -> HTTPConnectionPool:
    import encodings.idna  # noqa: F401  (the first look-up of a name would import it)

    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Connection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = _bound(self.sock, deadline)

    class SecureConnection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = _bound(self.sock, deadline)

    pool: HTTPConnectionPool
    if address.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            address.host, address.port, maxsize=1, cert_reqs="CERT_REQUIRED", ca_certs=ca_file
        )
        pool.ConnectionCls = SecureConnection
    else:
        pool = urllib3.HTTPConnectionPool(address.host, address.port, maxsize=1)
        pool.ConnectionCls = Connection
    return pool


class _Deadline:
    """A moment that every read and write of the exchange in progress is held to.

    A socket's own timeout bounds each call, so a server that sends a byte now and then would
    never time out.
    """

    def __init__(self) -> None:
        self._at_s = 0.0

    def set(self, seconds: float) -> None:
        self._at_s = time.monotonic() + seconds

    def remaining_s(self) -> float:
        remaining_s = self._at_s - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError("the exchange took too long")
        return remaining_s


def _bound(sock: Any, deadline: _Deadline) -> Any:
    return _BoundSocket(sock, deadline)


class _BoundSocket:
    """A connected socket whose reads and writes end at a deadline."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.remaining_s())
        self._sock.sendall(data)

    def makefile(self, mode: str, *_: object, **__: object) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError("Only reading is bounded.")
        return io.BufferedReader(
            _BoundReader(self._sock.makefile("rb", buffering=0), self._sock, self._deadline)
        )

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _BoundReader(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, sock: socket.socket, deadline: _Deadline) -> None:
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


def _name(error: BaseException) -> str:
    """The kind of *error*, and its system reason: never its text, which may quote an address."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    reason = cause.strerror if isinstance(cause, OSError) and cause.errno else ""
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def _is_certificate(error: BaseException) -> bool:
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
