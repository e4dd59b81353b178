"""One HTTP exchange with the server, bounded in time and in what it reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

from xray.delivery.exchange.connections import Address, Deadline, make_pool
from xray.delivery.exchange.proxies import find_proxy
from xray.delivery.forks import hold_forks
from xray.delivery.settings import DeliverySettings
from xray.delivery.turns import give_way
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
        self._deadline = Deadline()

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        """Post *body* to the batches path; raises TransportError when nothing answers in time."""
        give_way()
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
        give_way()
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
        give_way()
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
            proxy = find_proxy(parts.scheme, parts.host, parts.port, os.environ)
            pool = make_pool(parts, self._settings.ca_file, proxy, self._deadline)
        self._path = parts.path.rstrip("/") + BATCHES_PATH
        if proxy is not None and parts.scheme == "http":
            # A proxy is told the whole address; of https it only sees where to connect to.
            self._path = self._settings.url.rstrip("/") + BATCHES_PATH
        self._pool = pool
        return pool

    def _read_url(self) -> Address:
        try:
            parts = urlsplit(self._settings.url)
            address = Address(parts.scheme, parts.hostname or "", parts.port, parts.path)
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
