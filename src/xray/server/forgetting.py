"""Forgetting takes long where much is stored: who asks hears how far it is, and asks again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from xray.errors import StoreBusyError
from xray.model.forgetting import ForgetReport, ForgetRequest, Progress
from xray.reading import forget
from xray.store.protocol import Store

PART_S: Final = 5.0
"""How long a request waits before it is told how far it is."""


class _Errand:
    """One forgetting that is under way."""

    def __init__(self, asked: ForgetRequest) -> None:
        self.asked = asked
        self.done: Future[ForgetReport] = Future()
        self.progress = Progress("deleting")

    def show(self, progress: Progress) -> None:
        """Note how far it is."""
        self.progress = progress


class ForgettingDesk:
    """Forgets runs, one request after the other; from any thread.

    Args:
        store: where they are.
        note: is told the ids of runs that were forgotten.
    """

    def __init__(self, store: Store, note: Callable[[Sequence[str]], None]) -> None:
        self._store = store
        self._note = note
        self._lock = threading.Lock()
        self._errand: _Errand | None = None

    def forget(self, asked: ForgetRequest) -> ForgetReport:
        """Forget what is asked for; where that takes long, how far it is.

        Raises:
            StoreBusyError: something else is being forgotten.
            XRayError: why it could not be done.
        """
        if asked.dry_run:
            return forget(self._store, asked)
        with self._lock:
            errand = self._errand
            if errand is None or (errand.asked != asked and errand.done.done()):
                errand = self._errand = self._begin(asked)
            elif errand.asked != asked:
                raise StoreBusyError(
                    "Something else is being forgotten.", hint="Ask again when that is done."
                )
        try:
            report = errand.done.result(PART_S)
        except FutureTimeoutError:
            return ForgetReport(
                answer=f"It is under way: {errand.progress.stage}.",
                runs=0,
                is_complete=False,
                progress=errand.progress,
            )
        except BaseException:
            self._end(errand)
            raise
        self._end(errand)
        return report

    def _begin(self, asked: ForgetRequest) -> _Errand:
        errand = _Errand(asked)
        worker = threading.Thread(
            target=self._work, args=(errand,), name="xray-forgetting", daemon=True
        )
        worker.start()
        return errand

    def _work(self, errand: _Errand) -> None:
        try:
            errand.done.set_result(forget(self._store, errand.asked, self._note, errand.show))
        except Exception as error:  # noqa: BLE001  (whoever asked is told, whatever it is)
            errand.done.set_exception(error)

    def _end(self, errand: _Errand) -> None:
        """Whoever asks next begins anew."""
        with self._lock:
            if self._errand is errand:
                self._errand = None
