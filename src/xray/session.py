"""The client of a pipeline: settings, runs and steps joined to delivery."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from xray.capture.guard import caught, logger, warn
from xray.capture.noop import NoopStep
from xray.capture.redaction import Redactor
from xray.capture.run import AttachedRun, NoopRun, Run, current_run
from xray.capture.settings import CaptureSettings
from xray.capture.sink import Sink
from xray.capture.step import Step
from xray.capture.wrapping import drive, drive_async, record_calls
from xray.errors import XRayDeliveryError
from xray.settings import ClientSettings, apply_settings, read_settings

if TYPE_CHECKING:
    from xray.delivery.delivery import Delivery, FlushResult
    from xray.delivery.losses import DeliveryStats

Item = TypeVar("Item")
F = TypeVar("F", bound=Callable[..., Any])

_lock = threading.RLock()
_configured: dict[str, object] = {}
_deliveries: dict[tuple[str, str | None, str], Delivery] = {}
# Runs that were open when `close` was called still count here what they could not hand over.
_closed: list[Delivery] = []


class XRay:
    """Records the runs of one pipeline.

    Args:
        pipeline: the pipeline's name.
        sink: where facts go instead of a server; `xray.testing.MemorySink` in tests.
        enabled: False records nothing.
        settings: any setting of `xray.settings.ClientSettings`, e.g. `url=` or `capture=`.
    """

    def __init__(
        self, pipeline: str, *, sink: Sink | None = None, enabled: bool = True, **settings: object
    ) -> None:
        self.pipeline = pipeline
        self._sink = sink
        self._is_enabled = enabled
        self._given = settings
        self._opened: tuple[Sink, CaptureSettings] | None = None
        self._opened_before_closing = 0

    def run(
        self,
        input: object = None,  # noqa: A002  (the pipeline author's word)
        metadata: object = None,
        tags: object = None,
        params: object = None,
        correlation: object = None,
        key: str | None = None,
        attempt: int = 1,
    ) -> Run:
        """A run of the pipeline, begun by `with`; as a decorator, a run for each call.

        Args:
            input: what the pipeline works on.
            metadata: anything to find the run by.
            tags: words to find the run by.
            params: the settings the pipeline runs with.
            correlation: an id, or names and ids, that link the run to other systems.
            key: makes the run's id the same whenever the same work is done.
            attempt: which attempt at that key this is, from 1.
        """

        def make() -> Run:
            opened = self._open()
            if opened is None:
                return NoopRun(self.pipeline, _NowhereSink(), CaptureSettings(), renew=make)
            sink, capture = opened
            return Run(
                self.pipeline,
                sink,
                capture,
                input=input,
                metadata=metadata,
                tags=tags,
                params=params,
                correlation=correlation,
                key=key,
                attempt=attempt,
                renew=make,
            )

        try:
            return make()
        except Exception as error:  # noqa: BLE001
            caught("XRay.run", error)
            return NoopRun("off", _NowhereSink(), CaptureSettings())

    def start(self, input: object = None, **options: Any) -> Run:  # noqa: A002
        """A run that has begun; `finish()` ends it. Options as for `run`."""
        return self.run(input, **options).start()

    @overload
    def stream(
        self, items: AsyncIterator[Item], input: object = None, **options: Any
    ) -> AsyncIterator[Item]: ...

    @overload
    def stream(
        self, items: Iterable[Item], input: object = None, **options: Any
    ) -> Iterator[Item]: ...

    def stream(
        self,
        items: Iterable[Item] | AsyncIterator[Item],
        input: object = None,  # noqa: A002
        **options: Any,
    ) -> Iterator[Item] | AsyncIterator[Item]:
        """The same items, recorded as one run that ends when they do. Options as for `run`."""
        run = self.run(input, **options)
        if isinstance(items, AsyncIterator):
            return drive_async(run, items)
        return drive(run, items)

    def attach(self, key: str | None = None, attempt: int = 1) -> Run:
        """The run another process of this pipeline started with `key=`, to add steps to."""
        opened = self._open()
        if opened is None:
            return NoopRun(self.pipeline, _NowhereSink(), CaptureSettings())
        sink, capture = opened
        return AttachedRun(self.pipeline, sink, capture, key=key, attempt=attempt)

    def _open(self) -> tuple[Sink, CaptureSettings] | None:
        """Where facts go and how they are captured; None when nothing is recorded."""
        if self._opened is not None and self._opened_before_closing == len(_closed):
            return self._opened
        with _lock:
            given = apply_settings(_current_settings(), self._given, "XRay(...)")
            if given.log is not None:
                logger.setLevel(given.log.upper())
            if given.disabled or not self._is_enabled:
                return None
            sink = self._sink if self._sink is not None else _find_delivery(given)
            self._opened = (sink, _capture_settings(given))
            self._opened_before_closing = len(_closed)
            return self._opened


class _NowhereSink:
    """Takes facts and forgets them: the sink of a client that is off."""

    def put(self, fact: object) -> None:
        """Forget *fact*."""

    def settle_run(self, run_id: str) -> None:
        """Settle nothing."""

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count nothing."""


def _current_settings() -> ClientSettings:
    return read_settings(_configured)


def _capture_settings(settings: ClientSettings) -> CaptureSettings:
    return CaptureSettings(
        level=settings.capture,
        redactor=Redactor(hook=settings.redact),
        environment=settings.environment,
        repository=settings.repository,
        version=settings.version,
    )


def _find_delivery(settings: ClientSettings) -> Delivery:
    """The one delivery of this process to that server in that mode."""
    key = (settings.url, settings.api_key, settings.offline_mode)
    with _lock:
        found = _deliveries.get(key)
        if found is None:
            # Loaded when the first run needs it, so that `import xray` stays cheap.
            from xray.delivery.delivery import Delivery
            from xray.delivery.settings import DeliverySettings

            found = _deliveries[key] = Delivery(
                DeliverySettings(
                    url=settings.url, api_key=settings.api_key, offline_mode=settings.offline_mode
                )
            )
        return found


def configure(**settings: object) -> None:
    """Set what counts for every client made from here on; see `xray.settings.ClientSettings`."""
    with _lock:
        _configured.update(settings)


def xray_run(pipeline: str, **options: Any) -> Run:
    """A run of *pipeline*: a context manager, plain or async, and a decorator.

    Args:
        pipeline: the pipeline's name.
        options: as for `XRay.run`, and any client setting.
    """
    for_run = {name: options.pop(name) for name in _RUN_OPTIONS if name in options}
    return XRay(pipeline, **options).run(**for_run)


_RUN_OPTIONS = ("input", "metadata", "tags", "params", "correlation", "key", "attempt")


class xray_step:  # noqa: N801  (used like a function)
    """A step of the current run: a context manager, plain or async, and a decorator.

    Outside any run it records nothing.

    Args:
        name: what the pipeline calls the step.
        step_type: its type, see `Run.step`.
        options: as for `Run.step`.
    """

    def __init__(self, name: str, step_type: str | None = None, **options: Any) -> None:
        self._name = name
        self._step_type = step_type
        self._options = options
        self._step: Step | None = None

    def _make(self) -> Step:
        run = current_run.get()
        if run is not None:
            return run.step(self._name, self._step_type, **self._options)
        nowhere = NoopRun("outside", _NowhereSink(), CaptureSettings())
        return NoopStep(nowhere, "outside", "custom")

    def __enter__(self) -> Step:
        self._step = self._make()
        return self._step.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        step, self._step = self._step, None
        if step is not None:
            step.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Step:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Record every call of *function* as a step of the run that is current then."""
        return record_calls(self._make, function)


def attach(
    headers: Mapping[str, str] | str, *, key: str | None = None, attempt: int = 1, **settings: Any
) -> Run:
    """The run another process started, to add steps to; it is never finished here.

    Args:
        headers: what `run.headers()` gave there, or the pipeline's name together with *key*.
        key: the key that run was started with.
        attempt: its attempt at that key.
        settings: any client setting.
    """
    try:
        if isinstance(headers, str):
            return XRay(headers, **settings).attach(key=key, attempt=attempt)
        run = XRay("unnamed", **settings).attach()
        if isinstance(run, AttachedRun) and run.follow(headers):
            return run
        if isinstance(run, AttachedRun):
            warn("attach", "The headers name no X-Ray run; nothing is recorded.")
    except Exception as error:  # noqa: BLE001
        caught("attach", error)
    return NoopRun("detached", _NowhereSink(), CaptureSettings())


def flush(timeout_s: float = 5.0) -> FlushResult:
    """Send what waits, for at most *timeout_s* seconds.

    Raises:
        XRayDeliveryError: in `offline_mode="fail"`, when something could not be delivered.
    """
    deadline_s = time.monotonic() + timeout_s
    failure: XRayDeliveryError | None = None
    is_complete = True
    for delivery in _open_deliveries():
        try:
            result = delivery.flush(max(0.0, deadline_s - time.monotonic()))
            is_complete = is_complete and result.is_complete
        except XRayDeliveryError as error:  # noqa: PERF203  (one server's failure is not all)
            failure = failure or error
    if failure is not None:
        raise failure
    return _sum_up(is_complete)


def close(timeout_s: float = 2.0) -> FlushResult:
    """Send what waits, for at most *timeout_s* seconds, and stop."""
    deadline_s = time.monotonic() + timeout_s
    with _lock:
        closing = list(_deliveries.values())
        _deliveries.clear()
        _closed.extend(closing)
    results = [delivery.close(max(0.0, deadline_s - time.monotonic())) for delivery in closing]
    return _sum_up(all(result.is_complete for result in results))


def stats() -> DeliveryStats:
    """What became of everything this process recorded: offered, acknowledged, pending, lost."""
    from xray.delivery.losses import DeliveryStats, Volume

    with _lock:
        found = [delivery.stats() for delivery in (*_deliveries.values(), *_closed)]
    lost: dict[str, Volume] = {}
    for one in found:
        for cause, volume in one.lost.items():
            lost[cause] = lost.get(cause, Volume()) + volume
    return DeliveryStats(
        offered=sum((one.offered for one in found), Volume()),
        acknowledged=sum((one.acknowledged for one in found), Volume()),
        pending=sum((one.pending for one in found), Volume()),
        lost=lost,
        held_bytes=sum(one.held_bytes for one in found),
        batches=sum(one.batches for one in found),
        failed_attempts=sum(one.failed_attempts for one in found),
        state=next((one.state for one in found if one.state != "idle"), "idle"),
        last_problem=next((one.last_problem for one in found if one.last_problem), None),
    )


def _open_deliveries() -> list[Delivery]:
    with _lock:
        return list(_deliveries.values())


def _sum_up(is_complete: bool) -> FlushResult:
    from xray.delivery.delivery import FlushResult

    books = stats()
    return FlushResult(
        is_complete=is_complete,
        acknowledged=books.acknowledged,
        pending=books.pending,
        lost=books.total_lost,
    )
