"""The client of a pipeline: settings, runs and steps joined to delivery."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from msgspec.structs import replace

from xray.capture.attaching import AttachedRun, hand_over_by_key
from xray.capture.current import current_run
from xray.capture.guard import caught, guarded, logger, warn
from xray.capture.headers import Handover, Headers, names_run, read_headers
from xray.capture.noop import NoopStep
from xray.capture.noop_run import NoopRun
from xray.capture.run import Run
from xray.capture.settings import CaptureSettings, find_redactor
from xray.capture.sink import Sink
from xray.capture.step import Step
from xray.capture.step import current_step as open_step
from xray.capture.wrapping import drive, drive_async, record_calls
from xray.delivery.forks import hold_forks
from xray.destinations import find_destination
from xray.model.forking import Turn
from xray.wire.address import names_file

if TYPE_CHECKING:
    from xray.sampling.sieve import Sampling
    from xray.settings import ClientSettings

Item = TypeVar("Item")
F = TypeVar("F", bound=Callable[..., Any])

_SERVER_BACKOFF_S: Final = 30.0
# A file that another process writes is free again soon, and asking costs nobody anything.
_FILE_BACKOFF_S: Final = 1.0
_RUN_OPTIONS: Final = ("input", "metadata", "tags", "params", "correlation", "key", "attempt")


class _Configuration:
    """What `configure` was told, for every client of this process."""

    def __init__(self) -> None:
        self.given: dict[str, object] = {}
        self.turn = Turn()
        self.taker: Sink | None = None


_configuration: Final = _Configuration()


class XRay:
    """Records the runs of one pipeline.

        x = XRay("search", environment="production")
        with x.run(input=query) as run, run.step("filter", step_type="filter") as step:
            step.reject("p1", "price_too_high")

    Making one costs nothing and opens nothing; settings are read when it first records.

    Args:
        pipeline: the pipeline's name.
        sink: where facts go instead of a server; `xray.testing.MemorySink` in tests.
        enabled: False records nothing.
        settings: `url`, `api_key`, `capture`, `offline_mode`, `environment`, `repository`,
            `version`, `sample`, `keep`, `watch`, `disabled`, `log`, `redact`, `redact_keys` or
            `allow_keys`, as `xray.settings.ClientSettings` says.
    """

    def __init__(
        self, pipeline: str, *, sink: Sink | None = None, enabled: bool = True, **settings: object
    ) -> None:
        self.pipeline = pipeline
        self._sink = sink
        self._is_enabled = enabled
        self._given = settings
        self._is_open = False
        self._opened: tuple[Sink, CaptureSettings] | None = None
        self._sampling: Sampling | None = None

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

            with x.run(input=query) as run:
                run.set_output(answer(query))

            @x.run(tags=["nightly"])
            def answer(query): ...

        A decorated function, coroutine or generator is recorded with its arguments as input and
        what it returns as output, unless the pipeline gives them itself.

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
            try:
                opened = self._open()
                if opened is None:
                    return _nothing_of(self.pipeline, make)
                sink, capture = opened
                if self._sampling is not None and _configuration.taker is None:
                    sink = self._sampling.sift(sink, capture.environment, capture.version)
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
            except Exception as error:  # noqa: BLE001
                caught("XRay.run", error)
            return _nothing_of("off", make)

        return make()

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
        """The run another process of this pipeline started with `key=`, to add steps to.

        Args:
            key: the key that run is started with.
            attempt: its attempt at that key.
        """
        try:
            if key is None:
                warn(
                    "attach-key",
                    "attach() needs the key= of a run, or headers; nothing is recorded.",
                )
                return _nothing_of("detached")
            self._open()
            handover = hand_over_by_key(self.pipeline, key, attempt)
            if self._sampling is not None:
                handover = replace(handover, is_kept=self._sampling.keeps(handover.run_id))
            return self._attach_to(handover)
        except Exception as error:  # noqa: BLE001
            caught("XRay.attach", error)
            return _nothing_of("detached")

    def _attach_to(self, handover: Handover) -> Run:
        opened = self._open()
        if opened is None:
            return _nothing_of("off")
        sink, capture = opened
        if handover.is_kept is False:
            sink = _leave_out(sink, capture)
        return AttachedRun(handover, sink, capture)

    def _open(self) -> tuple[Sink, CaptureSettings] | None:
        """Where facts go and how they are captured; None when nothing is recorded."""
        opened = self._opened if self._is_open else self._open_first()
        taker = _configuration.taker
        return opened if taker is None or opened is None else (taker, opened[1])

    def _open_first(self) -> tuple[Sink, CaptureSettings] | None:
        # Loaded when a client first records, so that `import xray` stays cheap.
        with hold_forks():
            from xray.settings import apply_settings, read_settings
        with _configuration.turn.lock:
            configured = dict(_configuration.given)
        given = apply_settings(read_settings(configured), self._given, "XRay(...)")
        if given.log is not None:
            logger.setLevel(given.log.upper())
        if not given.disabled and self._is_enabled:
            sink = self._sink if self._sink is not None else _find_destination(given)
            self._opened = (sink, _capture_settings(given))
            self._sampling = _find_sampling(given)
        self._is_open = True
        return self._opened


class _NowhereSink:
    """Takes facts and forgets them: the sink of a client that is off."""

    def put(self, fact: object) -> None:
        """Forget *fact*."""

    def settle_run(self, run_id: str) -> None:
        """Settle nothing."""

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count nothing."""


# Made once: it must be there where making one fails.
_NO_SETTINGS: Final = CaptureSettings()


def _nothing_of(pipeline: str, renew: Callable[[], Run] | None = None) -> NoopRun:
    return NoopRun(pipeline, _NowhereSink(), _NO_SETTINGS, renew=renew)


def _find_sampling(settings: ClientSettings) -> Sampling | None:
    if settings.sample >= 1:
        return None
    # Only programs that keep some of their runs load how they are chosen.
    with hold_forks():
        from xray.sampling.sieve import find_sampling

        return find_sampling(settings.sample, settings.keep, settings.watch)


def _leave_out(sink: Sink, capture: CaptureSettings) -> Sink:
    with hold_forks():
        from xray.sampling.sieve import leave_out
    return leave_out(sink, capture.environment, capture.version)


def _capture_settings(settings: ClientSettings) -> CaptureSettings:
    return CaptureSettings(
        level=settings.capture,
        redactor=find_redactor(settings.redact_keys, settings.redact, settings.allow_keys),
        environment=settings.environment,
        repository=settings.repository,
        version=settings.version,
    )


def _find_destination(settings: ClientSettings) -> Sink:
    with hold_forks():
        from xray.delivery.settings import DeliverySettings
        from xray.delivery.spool.places import list_places

    is_file = names_file(settings.url)
    return find_destination(
        DeliverySettings(
            url=settings.url,
            api_key=None if is_file else settings.api_key,
            offline_mode=settings.offline_mode,
            spool_places=tuple(list_places(settings.spool_dir, os.environ)),
            max_spool_bytes=settings.max_spool_bytes,
            sync=settings.spool_sync,
            on_full=settings.on_full,
            durable_exit=settings.durable_exit,
            max_backoff_s=_FILE_BACKOFF_S if is_file else _SERVER_BACKOFF_S,
        )
    )


def configure(**settings: object) -> None:
    """Set what counts for every client that has recorded nothing yet.

    Args:
        settings: any setting of `xray.settings.ClientSettings`, e.g. `url=` or `capture=`; it
            counts more than the environment and less than an argument of `XRay(...)`.
    """
    with guarded("configure"), _configuration.turn.lock:
        _configuration.given.update(settings)


@contextmanager
def recording_into(sink: Sink) -> Iterator[None]:
    """Within the block, every run that begins in this process is recorded into *sink*, whole.

    Args:
        sink: takes the records, whatever each client was told; `xray.testing.MemorySink`.
    """
    before, _configuration.taker = _configuration.taker, sink
    try:
        yield
    finally:
        _configuration.taker = before


def xray_run(pipeline: str, **options: Any) -> Run:
    """A run of *pipeline*: a context manager, plain or async, and a decorator.

        with xray_run("search", metadata={"user": "u1"}):
            with xray_step("filter", "FILTER") as step:
                step.reject("p1", "price_too_high")

    Args:
        pipeline: the pipeline's name.
        options: as for `XRay.run`, and any client setting.
    """
    for_run = {name: options.pop(name) for name in _RUN_OPTIONS if name in options}
    return XRay(pipeline, **options).run(**for_run)


class xray_step:  # noqa: N801  (used like a function)
    """A step of the current run: a context manager, plain or async, and a decorator.

    Outside any run it records nothing. One of these may serve many times, in several threads.

    Args:
        name: what the pipeline calls the step.
        step_type: its type, see `Run.step`.
        options: as for `Run.step`.
    """

    def __init__(self, name: str, step_type: str | None = None, **options: Any) -> None:
        self._name = name
        self._step_type = step_type
        self._options = options
        self._open: list[Step] = []

    def _make(self) -> Step:
        run = current_run.get()
        if run is not None:
            return run.step(self._name, self._step_type, **self._options)
        return NoopStep(_nothing_of("outside"), "outside", "custom")

    def __enter__(self) -> Step:
        step = self._make()
        self._open.append(step)
        return step.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with guarded("xray_step"):
            if not self._open:
                return
            # Several blocks may be open, each in its own thread or task; in each, it is the
            # current.
            current = open_step.get()
            step = current if current is not None and current in self._open else self._open[-1]
            self._open.remove(step)
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


def current_step() -> Step:
    """The step the running code is in; outside any, one that records nothing.

    @xray_step("price", "filter")
    def keep_affordable(items, limit=100):
        return xray.current_step().filter(items, [xray.rule("too_dear", "price", "<=", limit)])
    """
    step = open_step.get()
    return NoopStep(_nothing_of("outside"), "outside", "custom") if step is None else step


def attach(
    headers: Headers | str, *, key: str | None = None, attempt: int = 1, **settings: Any
) -> Run:
    """The run another process started, to add steps to; it is never finished here.

        with xray.attach(request.headers) as run, run.step("rank", "rank") as step: ...
        with xray.attach("search", key=job_id) as run: ...

    Headers that name no run record nothing, so a service may attach to every request it gets.

    Args:
        headers: what `run.headers()` gave there, among any others, in any case: a mapping,
            pairs of text or bytes, or a WSGI environment; or the pipeline's name, with *key*.
        key: the key that run was started with.
        attempt: its attempt at that key.
        settings: any client setting.
    """
    try:
        if isinstance(headers, str):
            return XRay(headers, **settings).attach(key=key, attempt=attempt)
        handover = read_headers(headers)
        if handover is not None:
            return XRay(handover.pipeline, **settings)._attach_to(handover)
        if names_run(headers):
            warn("attach", "The headers name no run that X-Ray could read; nothing is recorded.")
    except Exception as error:  # noqa: BLE001
        caught("attach", error)
    return _nothing_of("detached")
