"""Takes batches to the server and does with each what the answer asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xray.delivery.backlog import Backlog
from xray.delivery.exchange.answers import Judgement, Ruling, judge, spell_code
from xray.delivery.exchange.backoff import Backoff
from xray.delivery.exchange.batches import Batch
from xray.delivery.exchange.errand import Errand, LeftBehindError
from xray.delivery.exchange.transport import Transport, TransportError
from xray.delivery.losses import Ledger, Volume
from xray.delivery.notices import Notices
from xray.delivery.queue import Parcel, measure_parcels
from xray.delivery.reports import lose_parcels, note_loss
from xray.delivery.settings import DeliverySettings
from xray.model.addresses import without_password
from xray.model.facts import Refusal
from xray.model.forgetting import FORGOTTEN_CODE
from xray.model.interruptions import is_interruption
from xray.wire.codec import MSGPACK, name_encoded

NOTHING_TO_DO_S: Final = 3600.0
_MAX_FOREIGN_ANSWERS: Final = 3
_SILENT_ATTEMPTS: Final = 2
# Each is a thread that hangs. Whoever left so many waits until one of them comes back.
_MAX_LEFT: Final = 8


class Sender:
    """Sends the oldest batch, one at a time; one thread calls `run_once` at a time.

    Args:
        settings: pace, limits, mode and clock.
        backlog: where batches come from.
        ledger: where every outcome is booked.
        make_transport: makes what posts a batch; another one where one has to be left behind.
        name_client: how it names itself; asked at the first batch.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        backlog: Backlog,
        ledger: Ledger,
        make_transport: Callable[[], Transport],
        name_client: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._backlog = backlog
        self._ledger = ledger
        self._make_transport = make_transport
        self.transport = make_transport()
        self._name_client = name_client
        self._clock = settings.clock
        self._notices = Notices(settings.clock)
        self._backoff = Backoff(
            settings.first_backoff_s,
            settings.max_backoff_s,
            settings.max_retry_after_s,
            settings.draw,
        )
        self._worklist: list[Batch] = []
        self._asked_pause_until_s = 0.0
        self._pause_until_s = 0.0
        self._parked_until_s: float | None = None
        self._last_sent_s = -NOTHING_TO_DO_S
        self._foreign_answers = 0
        self._is_hurried = False
        self._may_probe = False
        self._errand: Errand | None = None
        self._left: set[Errand] = set()
        self.batches = 0
        self.failed_attempts = 0
        self.last_problem: str | None = None

    @property
    def is_parked(self) -> bool:
        """Whether the server refuses everything and is only asked again now and then."""
        return self._parked_until_s is not None

    @property
    def is_about_to_probe(self) -> bool:
        """Whether an answer is still to come, or will be asked for despite a pause."""
        return self._may_probe or self._errand is not None

    @property
    def is_heard(self) -> bool:
        """Whether the server took the last batch that was sent to it."""
        return self.batches > 0 and not self.is_parked and not self._backoff.failures

    @property
    def asked_pause_s(self) -> float:
        """How much longer the server itself asked to be left alone."""
        return max(0.0, self._asked_pause_until_s - self._clock.monotonic_s())

    @property
    def state(self) -> str:
        """`idle`, `sending`, `backing_off` or `parked`."""
        if self.is_parked:
            return "parked"
        if self._backoff.failures:
            return "backing_off"
        return "sending" if self._worklist else "idle"

    def hurry(self, *, is_hurried: bool) -> None:
        """Somebody waits, or no longer does: send what there is, and ask once despite a pause."""
        self._is_hurried = is_hurried
        self._may_probe = is_hurried

    def run_once(self, within_s: float = NOTHING_TO_DO_S) -> float:
        """Send one batch if one is due; returns the seconds until the next may be.

        Args:
            within_s: how long the request may take at most.

        Raises:
            LeftBehindError: it took so long that another thread took over: this one is to end.
        """
        wait_s = self._pause_s()
        if wait_s > 0:
            if self.is_parked and self._is_silent:
                self._shed()
            return wait_s
        if not self._worklist:
            wait_s = self._linger_s()
            if wait_s > 0:
                return wait_s
            parcels = self._backlog.take(
                self._settings.max_batch_bytes, self._settings.max_batch_facts
            )
            if not parcels:
                return NOTHING_TO_DO_S
            self._worklist.append(Batch(parcels, self._name_client()))
        # In this order, and not after the answer: somebody who comes meanwhile gets a probe too.
        errand = self._errand = self._begin(self._worklist[-1], within_s)
        self._may_probe = False
        try:
            judgement = self._send(errand)
            self._end(errand)
            self._apply(judgement, errand.batch)
        finally:
            # One that was interrupted is over too.
            errand.end()
            if self._errand is errand:
                self._errand = None
        return 0.0

    def _begin(self, batch: Batch, within_s: float) -> Errand:
        self._last_sent_s = self._clock.monotonic_s()
        deadline_s = min(self._settings.request_deadline_s, within_s)
        return Errand(self.transport, batch, self._last_sent_s + deadline_s)

    def _end(self, errand: Errand) -> None:
        if not errand.end():
            self._left.discard(errand)
            errand.transport.close()
            raise LeftBehindError

    @property
    def is_stuck(self) -> bool:
        """Whether the exchange in progress is to be left; later, the more of them still hang."""
        errand = self._errand
        if errand is None or len(self._left) >= _MAX_LEFT:
            return False
        patience_s = self._settings.request_deadline_s * (1 << len(self._left))
        return self._clock.monotonic_s() > errand.deadline_s + patience_s

    def leave(self) -> bool:
        """Go on without the thread that is out with a batch; whether it was.

        Nothing is lost or counted twice by it: the batch is sent again, and a server stores a
        record once.
        """
        errand = self._errand
        if errand is None:
            return False
        self._left.add(errand)
        if not errand.end():
            self._left.discard(errand)
            return False
        self.transport = self._make_transport()
        self._apply(Judgement(Ruling.KEEP, "the exchange did not end"), errand.batch)
        self._errand = None
        return True

    def _pause_s(self) -> float:
        if self.asked_pause_s > 0:
            return self.asked_pause_s
        if self._may_probe:
            return 0.0
        pause_until_s = max(self._pause_until_s, self._parked_until_s or 0.0)
        return pause_until_s - self._clock.monotonic_s()

    def _linger_s(self) -> float:
        """How long to wait for more: a request for every few facts would cost both sides."""
        waiting = self._backlog.waiting_facts
        if not waiting:
            return NOTHING_TO_DO_S
        is_full = (
            waiting >= self._settings.max_batch_facts
            or self._backlog.waiting_bytes >= self._settings.max_batch_bytes
        )
        if is_full or self._is_hurried or self.batches < self._settings.fast_batches:
            return 0.0
        return self._last_sent_s + self._settings.linger_s - self._clock.monotonic_s()

    def _send(self, errand: Errand) -> Judgement:
        batch = errand.batch
        body = batch.body
        headers = {
            "Content-Type": MSGPACK,
            "Accept": "application/json",
            "User-Agent": batch.client,
        }
        if body.encoding:
            headers["Content-Encoding"] = body.encoding
        within_s = errand.deadline_s - self._clock.monotonic_s()
        try:
            answer = errand.transport.post(body.content, headers, within_s)
        except TransportError as error:
            ruling = Ruling.PARK if error.is_lasting else Ruling.KEEP
            return Judgement(ruling, error.problem)
        except Exception as error:
            if is_interruption(error):
                raise
            # Whatever a transport does, records are kept.
            return Judgement(Ruling.KEEP, type(error).__name__)
        return judge(answer, batch, self._clock.wall_us())

    def _apply(self, judgement: Judgement, batch: Batch) -> None:
        ruling = judgement.ruling
        if ruling is Ruling.SETTLE and judgement.receipt is not None:
            self._worklist.pop()
            self._settle(batch, judgement.receipt.rejected)
            self._recover()
            self.batches += 1
            return
        self.last_problem = judgement.problem
        self.failed_attempts += 1
        batch.failed_attempts += 1
        if ruling is Ruling.HALVE or ruling is Ruling.BISECT:
            self._divide(batch, judgement)
            return
        self._foreign_answers = self._foreign_answers + 1 if ruling is Ruling.FOREIGN else 0
        if ruling is Ruling.PARK or self._foreign_answers >= _MAX_FOREIGN_ANSWERS:
            self._park(judgement.problem)
        else:
            self._retreat(judgement, batch)

    def _settle(self, batch: Batch, rejected: list[Refusal]) -> None:
        kept = self._backlog.settle(batch.parcels)
        by_id: dict[str | None, list[Parcel]] = {}
        for parcel in kept if rejected else ():
            by_id.setdefault(name_encoded(parcel.encoded), []).append(parcel)
        stored = measure_parcels(kept)
        for refusal in rejected:
            named = by_id.get(refusal.id)
            named_parcels = [named.pop()] if named else []
            lost = measure_parcels(named_parcels) or Volume(min(1, stored.records), 0)
            cause = f"rejected:{spell_code(refusal.code)}"
            self._ledger.lose(cause, lost)
            is_forgotten = refusal.code == FORGOTTEN_CODE
            for parcel in () if is_forgotten else named_parcels:
                note_loss(self._ledger, cause, parcel.encoded)
            # Of a run that is to be forgotten nothing is kept, here neither.
            if named_parcels and not is_forgotten:
                self._backlog.set_aside(named_parcels, spell_code(refusal.code))
            stored -= lost
        self._ledger.acknowledge(stored)
        if rejected:
            self._notices.warn(
                "rejected",
                "X-Ray: the server refused %d of %d records, the first as %s.",
                len(rejected),
                len(batch.parcels),
                spell_code(rejected[0].code),
            )

    def _recover(self) -> None:
        self._backoff.reset()
        self._foreign_answers = 0
        self._asked_pause_until_s = self._pause_until_s = 0.0
        self._parked_until_s = None

    def _divide(self, batch: Batch, judgement: Judgement) -> None:
        """Find the record a server will not take: the rest of the batch is good."""
        self._worklist.pop()
        if len(batch.parcels) > 1:
            is_size = judgement.ruling is Ruling.HALVE
            first, second = batch.split_by_bytes() if is_size else batch.split_by_count()
            self._worklist += [second, first]
            return
        cause = "too_large"
        if judgement.ruling is Ruling.BISECT:
            cause = f"rejected:{judgement.code}"
        self._backlog.set_aside(batch.parcels, cause.removeprefix("rejected:"))
        self._lose(batch, cause)
        self._notices.warn(
            cause, "X-Ray: the server refused a record (%s); it is lost.", judgement.problem
        )

    def _retreat(self, judgement: Judgement, batch: Batch) -> None:
        now_s = self._clock.monotonic_s()
        asked_s, chosen_s = self._backoff.fail(judgement.retry_after_s)
        self._asked_pause_until_s = now_s + asked_s
        self._pause_until_s = self._asked_pause_until_s + chosen_s
        self._notices.warn(
            "away",
            "X-Ray: %s did not take records (%s); %s.",
            without_password(self._settings.url.split("?")[0]),
            judgement.problem,
            "they are dropped" if self._is_silent else "they are kept and sent again",
        )
        if self._is_silent and batch.failed_attempts >= _SILENT_ATTEMPTS:
            self._worklist.pop()
            self._lose(batch, "server_away")

    def _park(self, problem: str) -> None:
        self._foreign_answers = 0
        self._backoff.reset()
        self._parked_until_s = self._clock.monotonic_s() + self._settings.park_probe_s
        self._notices.warn(
            "parked",
            "X-Ray: records cannot be delivered (%s); asking again every %d s.",
            problem,
            round(self._settings.park_probe_s),
        )
        if self._is_silent:
            self._shed()

    def _shed(self) -> None:
        """Silent mode holds nothing for a server that refuses everything."""
        for batch in self._worklist:
            self._lose(batch, "parked")
        self._worklist.clear()
        while parcels := self._backlog.take(
            self._settings.max_batch_bytes, self._settings.max_batch_facts
        ):
            self._lose(Batch(parcels, self._name_client()), "parked")

    def _lose(self, batch: Batch, cause: str) -> None:
        lose_parcels(self._ledger, cause, self._backlog.settle(batch.parcels))

    @property
    def _is_silent(self) -> bool:
        return self._settings.offline_mode == "silent"
