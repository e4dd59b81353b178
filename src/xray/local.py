"""Records straight into a database file of this machine, and asks it: no server needed.

Delivery works as it does with a server, spool and books included; only the last step differs: a
batch goes to an embedded store instead of over HTTP. `record_files` says whose turn it is to write.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from xray.client import Client
from xray.delivery.exchange.transport import Answer
from xray.delivery.settings import DeliverySettings
from xray.errors import (
    InvalidQueryError,
    InvalidRecordError,
    LimitExceededError,
    StoreError,
    XRayError,
)
from xray.model.clock import SystemClock
from xray.questions import Pairs
from xray.record_files import files
from xray.replies import Reply
from xray.wire.address import check_file, find_file
from xray.wire.codec import decode_batch
from xray.wire.limits import inflate

if TYPE_CHECKING:
    from xray.store.protocol import Store

_CLOSE_S: Final = 0.3


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


def _refuse(status: int, error: XRayError) -> Answer:
    return Answer(status, msgspec.json.encode({"code": error.code}))


class LocalClient(Client):
    """Asks a database file what `Client` asks a server, also while a process writes it.

    Nothing in the file is changed. Records that still wait in a spool are not in it yet.

    Args:
        url: the file, e.g. `sqlite:///runs.db`.

    Raises:
        ConfigurationError: *url* names no file, or the `server` extra is not installed.
        StoreError: there is no such file, or it cannot be read.
    """

    def __init__(self, url: str) -> None:
        from xray.store.opening import open_view

        self.url = check_file(url)
        if files.is_torn(self.url):
            raise StoreError(
                f"The database {find_file(self.url)} was open when this process was forked.",
                hint="Ask in the process that forked it, or with `xray --store`.",
            )
        self._clock = SystemClock()
        self._view: Store = open_view(self.url)
        files.note_reader(self.url, 1)
        self._is_open = True

    @property
    def _place(self) -> str:
        return f"The database {find_file(self.url)}"

    def get(self, path: str, parameters: Pairs = ()) -> bytes:
        """The body a server on this file would answer to a question.

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

    def health(self) -> str:
        """What a server on this file would say of itself."""
        return "ok"

    def close(self) -> None:
        """Close the file; the client cannot be used afterwards."""
        if self._is_open:
            self._is_open = False
            self._view.close()
            files.note_reader(self.url, -1)
