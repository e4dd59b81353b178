"""One question to a server and its answer, over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import urlencode

from xray.errors import InvalidQueryError, ServerError
from xray.questions import Pairs
from xray.replies import Reply, explain_no_reply, problem_of, read_record
from xray.wire.address import DEFAULT_URL, check_key, check_url

if TYPE_CHECKING:
    import urllib3
    from typing_extensions import Self

DEFAULT_TIMEOUT_S: Final = 30.0


class Partial(Protocol):
    """An answer that may be a part of the whole one."""

    @property
    def next_cursor(self) -> str | None:
        """Where the next part begins."""
        ...


_Part = TypeVar("_Part", bound=Partial)


class Asking:
    """Asks an X-Ray server, with its key, over connections that are kept.

    Args:
        url: the server; `XRAY_URL`, else `http://127.0.0.1:8000`, when absent.
        api_key: its key; `XRAY_API_KEY` when absent.
        timeout_s: how long one request may take.

    Raises:
        ConfigurationError: the address is none, or the key would travel unencrypted.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.url = check_url(url or os.environ.get("XRAY_URL") or DEFAULT_URL)
        key = api_key or os.environ.get("XRAY_API_KEY")
        self._api_key = check_key(key, self.url) if key else None
        self._timeout_s = timeout_s
        self._pool: urllib3.PoolManager | None = None

    @property
    def _place(self) -> str:
        return f"The server at {self.url}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; the client opens others when it is used again."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def get(self, path: str, parameters: Pairs = ()) -> bytes:
        """The body the server answers to a question.

        Args:
            path: a path of the read API, e.g. `/v1/runs`.
            parameters: names and values of the query.

        Raises:
            XRayError: the subclass that says why there is no answer.
        """
        return self._open(self.ask(path, parameters), parameters)

    def send(
        self, method: str, path: str, parameters: Pairs = (), *, body: bytes | None = None
    ) -> bytes:
        """The body the server answers to a request that changes something.

        Args:
            method: `POST` or `DELETE`.
            path: a path of the API, e.g. `/v1/labels`.
            parameters: names and values of the query.
            body: a JSON document.

        Raises:
            XRayError: the subclass that says why nothing was changed.
        """
        return self._open(self._request(method, path, parameters, body), parameters)

    def _open(self, reply: Reply, parameters: Pairs) -> bytes:
        if 200 <= reply.status < 300:
            return reply.body
        error = problem_of(reply, self.url)
        if isinstance(error, InvalidQueryError) and error.at is not None:
            error.query = dict(parameters).get(error.parameter)
        raise error

    def _ask_whole(
        self,
        path: str,
        pairs: Pairs,
        kind: type[_Part],
        add: Callable[[list[_Part]], _Part],
        note_part: Callable[[_Part], object],
    ) -> _Part:
        """An answer of parts that stopped at a budget each, added up as they come."""
        whole = read_record(self.get(path, pairs), kind)
        while whole.next_cursor is not None:
            note_part(whole)
            asked = [pair for pair in pairs if pair[0] != "cursor"]
            asked.append(("cursor", whole.next_cursor))
            part = read_record(self.get(path, asked), kind)
            if part.next_cursor == whole.next_cursor:
                raise ServerError(
                    f"{self._place} gave the same part twice.", hint="Ask without `cursor`."
                )
            whole = add([whole, part])
        return whole

    def ask(self, path: str, parameters: Pairs = ()) -> Reply:
        """Whatever the server answers, a refusal included.

        Raises:
            ServerUnreachableError: nothing answered.
        """
        return self._request("GET", path, parameters, None)

    def _request(self, method: str, path: str, parameters: Pairs, body: bytes | None) -> Reply:
        import urllib3

        if self._pool is None:
            self._pool = urllib3.PoolManager(retries=False, timeout=self._timeout_s)
        url = (
            self.url + path + ("?" + urlencode(parameters, errors="replace") if parameters else "")
        )
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        try:
            answer = self._pool.request(method, url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise explain_no_reply(self.url, error, self._timeout_s) from error
        return Reply(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=answer.data,
        )
