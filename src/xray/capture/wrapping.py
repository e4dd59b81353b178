"""Runs and steps around functions, coroutines and generators, which keep behaving as they did."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from xray.capture.guard import caught

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Scope(Protocol):
    """A run or step that can be entered around a call and given its output."""

    def begin(self) -> None:
        """Begin, without becoming the current one."""
        ...

    def activate(self) -> None:
        """Become the current one, in this thread or task."""
        ...

    def deactivate(self) -> None:
        """Give the place back."""
        ...

    def end(self, error: BaseException | None) -> None:
        """End; *error* is what left the call, if something did."""
        ...

    def give_output(self, value: object) -> None:
        """Take the call's result as output, unless the pipeline set one."""
        ...

    def give_input(self, value: object) -> None:
        """Take the call's arguments as input, unless the pipeline set one."""
        ...


def wrap(function: Callable[P, R]) -> Callable[P, R]:
    """*function*, running in the run and step that are current now: for executors and threads.

    pool.submit(xray.wrap(work), item)
    """
    context = contextvars.copy_context()

    @functools.wraps(function)
    def in_context(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context cannot be entered twice at once, so each call gets a copy.
        return context.copy().run(function, *args, **kwargs)

    return in_context


def record_calls(open_scope: Callable[[], Scope], function: F) -> F:
    """*function*, each of whose calls is recorded as a scope of its own.

    Args:
        open_scope: makes the run or step of one call.
        function: a function, coroutine function, generator or async generator function.
    """
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def record_async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            scope = _open(open_scope, function, args, kwargs)
            driven = drive_async(scope, function(*args, **kwargs))
            sent, error = None, None
            try:
                while True:
                    item = await (driven.asend(sent) if error is None else driven.athrow(error))
                    sent, error = None, None
                    try:
                        sent = yield item
                    except GeneratorExit:
                        raise
                    except BaseException as thrown:  # noqa: BLE001  (the generator's to handle)
                        error = thrown
            except StopAsyncIteration:
                return
            finally:
                await driven.aclose()

        return cast("F", record_async_generator)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def record_coroutine(*args: Any, **kwargs: Any) -> Any:
            with _Active(_open(open_scope, function, args, kwargs)) as active:
                return active.note(await function(*args, **kwargs))

        return cast("F", record_coroutine)
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def record_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            scope = _open(open_scope, function, args, kwargs)
            return (yield from drive(scope, function(*args, **kwargs)))

        return cast("F", record_generator)

    @functools.wraps(function)
    def record_function(*args: Any, **kwargs: Any) -> Any:
        with _Active(_open(open_scope, function, args, kwargs)) as active:
            return active.note(function(*args, **kwargs))

    return cast("F", record_function)


class _Active:
    """A scope that is current for the length of a block."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __enter__(self) -> _Active:
        self._scope.begin()
        self._scope.activate()
        return self

    def note(self, value: R) -> R:
        self._scope.give_output(value)
        return value

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._scope.deactivate()
        self._scope.end(error)


def _open(
    open_scope: Callable[[], Scope],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Scope:
    scope = open_scope()
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
        scope.give_input({name: value for name, value in bound.items() if name != "self"})
    except TypeError:
        pass  # A call with wrong arguments fails in the pipeline's own words.
    except Exception as error:  # noqa: BLE001
        caught("record_calls", error)
    return scope


def drive(scope: Scope, items: Iterable[R]) -> Generator[R, Any, Any]:
    """The same items, with *scope* open to the end and current only while the source runs."""
    source = cast("Generator[R, Any, Any]", iter(items))
    sent: Any = None
    thrown: BaseException | None = None
    scope.begin()
    failure: BaseException | None = None
    try:
        while True:
            scope.activate()
            try:
                item = _advance(source, sent, thrown)
            finally:
                scope.deactivate()
            sent, thrown = None, None
            try:
                sent = yield item
            except GeneratorExit:
                _close(scope, source)
                raise
            except BaseException as error:  # noqa: BLE001  (the generator's to handle)
                thrown = error
    except StopIteration as stop:
        return stop.value
    except BaseException as error:
        failure = error
        raise
    finally:
        thrown = None
        scope.end(failure)
        failure = None


def _advance(source: Iterator[R], sent: Any, thrown: BaseException | None) -> R:
    if thrown is not None:
        throw = getattr(source, "throw", None)
        if throw is None:
            raise thrown
        return cast("R", throw(thrown))
    if sent is None:
        return next(source)
    return cast("R", cast("Any", source).send(sent))


def _close(scope: Scope, source: Iterator[Any]) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        scope.activate()
        try:
            close()
        finally:
            scope.deactivate()


async def drive_async(scope: Scope, items: AsyncIterator[R]) -> AsyncGenerator[R, Any]:
    """The same items, with *scope* open to the end and current only while the source runs."""
    source = cast("AsyncGenerator[R, Any]", aiter_of(items))
    sent: Any = None
    thrown: BaseException | None = None
    scope.begin()
    failure: BaseException | None = None
    try:
        while True:
            scope.activate()
            try:
                if thrown is not None:
                    item = await source.athrow(thrown)
                else:
                    item = await (source.__anext__() if sent is None else source.asend(sent))
            finally:
                scope.deactivate()
            sent, thrown = None, None
            try:
                sent = yield item
            except GeneratorExit:
                if hasattr(source, "aclose"):
                    await source.aclose()
                raise
            except BaseException as error:  # noqa: BLE001  (the generator's to handle)
                thrown = error
    except StopAsyncIteration:
        return
    except BaseException as error:
        failure = error
        raise
    finally:
        thrown = None
        scope.end(failure)
        failure = None


def aiter_of(items: AsyncIterator[R]) -> AsyncIterator[R]:
    """The async iterator of *items*."""
    return items.__aiter__()
