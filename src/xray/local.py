"""Records straight into a database file of this machine, and asks it: no server needed.

Delivery works as it does with a server, spool and books included; only the last step differs: a
batch goes to an embedded store instead of over HTTP. `record_files` says whose turn it is to write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from xray.client import Client
from xray.delivery.exchange.transport import Answer, TransportError
from xray.delivery.settings import DeliverySettings
from xray.errors import (
    InvalidQueryError,
    InvalidRecordError,
    LimitExceededError,
    NotFoundError,
    StoreError,
    XRayError,
)
from xray.model.clock import SystemClock
from xray.model.forgetting import ForgetReport, ForgetRequest, Progress
from xray.model.ids import new_uuid7
from xray.model.labels import Labelled, LabelRequest
from xray.model.retention_report import RetentionRequest
from xray.questions import Pairs
from xray.record_files import files
from xray.replies import Reply
from xray.wire.address import check_file, find_file
from xray.wire.codec import DecodedBatch, decode_batch
from xray.wire.limits import inflate

if TYPE_CHECKING:
    from xray.store.protocol import Store

_CLOSE_S: Final = 0.3
_WRITE_S: Final = 10.0


class FileTransport:
    """Puts batches into a database file, and answers as a server would.

    Args:
        settings: whose `url` names the file.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._file = files.find(settings.url)

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        """Store what *body* holds; the answer comes when it is on disk.

        Raises:
            TransportError: it could not be stored, or not within *deadline_s*.
        """
        try:
            batch = decode_batch(inflate(body, headers.get("Content-Encoding")))
        except LimitExceededError as error:
            return _refuse(413, error)
        except InvalidRecordError as error:
            return _refuse(400, error)
        receipt = self._file.record(batch, time.monotonic() + deadline_s)
        return Answer(200, msgspec.json.encode(receipt))

    def close(self) -> None:
        """Give the file back."""
        self._file.give_back(_CLOSE_S)


def _read_request(body: bytes) -> LabelRequest:
    try:
        return msgspec.json.decode(body, type=LabelRequest)
    except msgspec.DecodeError as error:
        raise InvalidRecordError(f"{error}.", code="invalid_label") from error


def _refuse(status: int, error: XRayError) -> Answer:
    return Answer(status, msgspec.json.encode({"code": error.code}))


class DatabaseClient(Client):
    """Asks a database server what `Client` asks an X-Ray server; nothing in it is changed.

    Args:
        url: the database, e.g. `postgresql://user@host/name`.

    Raises:
        ConfigurationError: *url* names no database, or an extra is not installed.
        StoreError: it cannot be reached, or X-Ray keeps nothing there.
    """

    def __init__(self, url: str) -> None:
        from xray.store.opening import open_view

        self.url = url
        self._clock = SystemClock()
        self._view: Store = open_view(url)

    def get(self, path: str, parameters: Pairs = ()) -> bytes:
        """The body a server on this database would answer to a question.

        Raises:
            XRayError: the subclass that says why there is no answer.
        """
        from xray.reading import answer

        try:
            answered = answer(self._view, path, parameters, self._clock.wall_us())
        except InvalidQueryError as error:
            if error.at is not None:
                error.query = dict(parameters).get(error.parameter)
            raise
        return msgspec.json.encode(answered)

    def ask(self, path: str, parameters: Pairs = ()) -> Reply:
        """The same as `get` with the status around it; refusals are raised."""
        return Reply(200, {}, self.get(path, parameters))

    def send(
        self,
        method: str,  # noqa: ARG002
        path: str,  # noqa: ARG002
        parameters: Pairs = (),  # noqa: ARG002
        *,
        body: bytes | None = None,  # noqa: ARG002
    ) -> bytes:
        """Refuse: this is for questions.

        Raises:
            StoreError: always.
        """
        raise StoreError(
            "The database was opened to be read only.",
            hint="Name a server on it: --url instead of --store.",
            code="read_only",
        )

    def health(self) -> str:
        """What a server on this database would say of itself."""
        return "ok"

    def close(self) -> None:
        """Give the connections back; the client cannot be used afterwards."""
        self._view.close()


class LocalClient(DatabaseClient):
    """Asks a database file what `Client` asks a server, also while a process writes it.

    Nothing in the file is changed but labels, and runs go that rules of retention let go or that
    are to be forgotten. Records that still wait in a spool are not in it yet.

    Args:
        url: the file, e.g. `sqlite:///runs.db`.

    Raises:
        ConfigurationError: *url* names no file, or the `server` extra is not installed.
        StoreError: there is no such file, or it cannot be read.
    """

    def __init__(self, url: str) -> None:
        self.url = check_file(url)
        if files.is_torn(self.url):
            raise StoreError(
                f"The database {find_file(self.url)} was open when this process was forked.",
                hint="Ask in the process that forked it, or with `xray --store`.",
            )
        super().__init__(self.url)
        files.note_reader(self.url, 1)
        self._is_open = True
        self._has_written = False

    @property
    def _place(self) -> str:
        return f"The database {find_file(self.url)}"

    def send(
        self, method: str, path: str, parameters: Pairs = (), *, body: bytes | None = None
    ) -> bytes:
        """Label as a server on this file would, in turn with the processes that record into it.

        Raises:
            StoreError: the file cannot be written: a server has it, or it is read only.
        """
        if (method, path) == ("POST", "/v1/retention"):
            return self._let_expire(body or b"{}")
        from xray.reading import make_labels, report_labels

        if path != "/v1/labels" or method not in ("POST", "DELETE"):
            raise NotFoundError(f"There is no {method} {path[:200]}.", code="no_such_route")
        asked = LabelRequest(**dict(parameters)) if body is None else _read_request(body)
        facts = make_labels(self._view, asked, self._clock.wall_us())
        self._write(facts)
        return msgspec.json.encode(report_labels(self._view, facts))

    def _let_expire(self, body: bytes) -> bytes:
        from xray.reading import let_expire
        from xray.store.opening import open_store

        try:
            asked = msgspec.json.decode(body, type=RetentionRequest)
        except msgspec.DecodeError as error:
            raise InvalidQueryError(f"{error}.", code="invalid_retention") from error
        store = open_store(self.url)
        try:
            report = let_expire(store, asked.rules or "", self._clock.wall_us())
        finally:
            store.close()
        return msgspec.json.encode(report)

    def _ask_to_forget(
        self, asked: ForgetRequest, show: Callable[[Progress], None]
    ) -> ForgetReport:
        from xray.reading import forget
        from xray.store.opening import open_store

        if asked.dry_run:
            return forget(self._view, asked)
        store = open_store(self.url)
        try:
            return forget(store, asked, show=show)
        finally:
            store.close()

    def _write(self, facts: Sequence[Labelled]) -> None:
        batch = DecodedBatch(new_uuid7(), "", list(facts))
        self._has_written = True
        try:
            receipt = files.find(self.url).record(batch, time.monotonic() + _WRITE_S)
        except TransportError as error:
            in_use = "Where a server has it, label through the server: --url instead of --store."
            raise StoreError(
                f"{self._place} cannot be written: {error.problem}.",
                hint="" if error.is_lasting else in_use,
                code="read_only" if error.is_lasting else "store_in_use",
            ) from error
        for refusal in receipt.rejected:
            raise InvalidRecordError(refusal.detail, code=refusal.code)

    def close(self) -> None:
        """Close the file; the client cannot be used afterwards."""
        if self._is_open:
            self._is_open = False
            self._view.close()
            files.note_reader(self.url, -1)
            if self._has_written:
                files.find(self.url).give_back(_CLOSE_S)
