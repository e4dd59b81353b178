"""Runs and steps around functions, coroutines and generators, which keep behaving as they did."""

from __future__ import annotations

import contextvars
import functools
import inspect
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast

from xray.capture.current import NOWHERE, Standing, read_standing, restore_standing
from xray.capture.guard import guarded
from xray.capture.naming import name_code

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

DECORATED: Final = "__xray_decorated__"
"""Set on what a decorator returns: whoever calls it by a recorded name can tell what it is."""

_RECEIVERS: Final = ("self", "cls")


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

    def give_code(self, code: str) -> None:
        """Take the name of the function that is called."""
        ...


def wrap(function: Callable[P, R]) -> Callable[P, R]:
    """*function*, running in the run and step that are current now: for executors and threads.

    pool.submit(xray.wrap(work), item)
    """
    with guarded("wrap"):
        return _carry(contextvars.copy_context(), function)
    return function


def _carry(context: contextvars.Context, function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def in_context(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context cannot be entered twice at once, so each call gets a copy.
        return context.copy().run(function, *args, **kwargs)

    return in_context


def record_calls(open_scope: Callable[[], Scope], function: F) -> F:
    """*function*, each of whose calls is recorded as a scope of its own.

    A generator function stays one, for whoever asks `inspect`; the scope of a call opens when the
    generator is first advanced and ends when it does.

    Args:
        open_scope: makes the run or step of one call.
        function: a function, coroutine function, generator or async generator function, a
            callable object, or what `classmethod` or `staticmethod` made of one.
    """
    with guarded("record_calls"):
        return _record_calls(open_scope, function)
    return function


def _record_calls(open_scope: Callable[[], Scope], function: F) -> F:
    if isinstance(function, (classmethod, staticmethod)):
        return cast("F", type(function)(record_calls(open_scope, function.__func__)))
    read_call = _CallReader(function)
    code = _find_code(function)
    recorded: Callable[..., Any]
    if inspect.isasyncgenfunction(code):

        def open_async(*args: Any, **kwargs: Any) -> tuple[Scope, AsyncIterator[Any]]:
            return read_call(open_scope(), args, kwargs), function(*args, **kwargs)

        recorded = _drive_async_calls(open_async)
    elif inspect.isgeneratorfunction(code):

        def open_plain(*args: Any, **kwargs: Any) -> tuple[Scope, Iterator[Any]]:
            return read_call(open_scope(), args, kwargs), function(*args, **kwargs)

        recorded = _drive_calls(open_plain)
    elif inspect.iscoroutinefunction(code):

        async def record_coroutine(*args: Any, **kwargs: Any) -> Any:
            with _Active(read_call(open_scope(), args, kwargs)) as active:
                return active.note(await function(*args, **kwargs))

        recorded = record_coroutine
    else:

        def record_function(*args: Any, **kwargs: Any) -> Any:
            with _Active(read_call(open_scope(), args, kwargs)) as active:
                return active.note(function(*args, **kwargs))

        recorded = record_function
    recorded = functools.wraps(function)(recorded)
    setattr(recorded, DECORATED, True)
    return cast("F", recorded)


def _find_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """What runs when *function* is called: itself, or the `__call__` of an object's class."""
    if inspect.isroutine(function) or isinstance(function, (type, functools.partial)):
        return function
    own: Callable[..., Any] = type(function).__call__
    return own


class _Active:
    """A scope that is current for the length of a block."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __enter__(self) -> _Active:
        with guarded("call.enter"):
            self._scope.begin()
            self._scope.activate()
        return self

    def note(self, value: R) -> R:
        with guarded("call.output"):
            self._scope.give_output(value)
        return value

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        with guarded("call.exit"):
            self._scope.deactivate()
            self._scope.end(error)


class _CallReader:
    """Tells a scope which function is called, and gives it the arguments of the call by name.

    The object a method is called on is left out.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._code = name_code(function)
        self._signature: inspect.Signature | None = None
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError):
            pass  # Some functions written in C tell nobody their arguments.

    def __call__(self, scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Scope:
        with guarded("record_calls"):
            if self._code is not None:
                scope.give_code(self._code)
            given = self._name(args, kwargs)
            if given is not None:
                scope.give_input(given)
        return scope

    def _name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        if self._signature is None:
            return {"args": args, **kwargs}
        try:
            named = self._signature.bind(*args, **kwargs).arguments
        except TypeError:
            return None  # A call with wrong arguments fails in the pipeline's own words.
        first = next(iter(self._signature.parameters), None)
        return {
            name: value for name, value in named.items() if name != first or name not in _RECEIVERS
        }


class _Returned:
    """The end of a generator, with what it returned."""

    __slots__ = ("value",)

    def __init__(self, value: object = None) -> None:
        self.value = value


class _Stage:
    """Where a generator's code stands: its scope is current while it runs, and not while it waits.

    What that code has opened and not closed when it waits is current again when it goes on.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._inside: Standing | None = None
        self._outside = NOWHERE
        with guarded("generator.begin"):
            scope.begin()
            self._outside = read_standing()

    def __enter__(self) -> None:
        with guarded("generator.enter"):
            self._outside = read_standing()
            if self._inside is None:
                self._scope.activate()
            else:
                restore_standing(self._inside)

    def __exit__(self, *_: object) -> None:
        with guarded("generator.exit"):
            self._inside = read_standing()
            restore_standing(self._outside)

    def note(self, value: object) -> None:
        with guarded("generator.output"):
            self._scope.give_output(value)

    def end(self, error: BaseException | None) -> None:
        with guarded("generator.end"):
            self._inside = None
            self._scope.deactivate()
            self._scope.end(error)


def drive(scope: Scope, items: Iterable[R]) -> Generator[R, Any, Any]:
    """The same items, with *scope* open to the end and current only while the source runs."""
    source = iter(items)
    return _drive_calls(lambda: (scope, source))()


def _drive_calls(
    open_call: Callable[P, tuple[Scope, Iterator[Any]]],
) -> Callable[P, Generator[Any, Any, Any]]:
    """A generator function that passes on what the opened source yields, sends and throws."""

    # No `yield from`: it closes the source where the consumer throws GeneratorExit.
    def driven(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
        scope, source = open_call(*args, **kwargs)
        stage = _Stage(scope)
        sent: Any = None
        thrown: BaseException | None = None
        failure: BaseException | None = None
        try:
            while True:
                item = _advance(stage, source, sent, thrown)
                if isinstance(item, _Returned):
                    failure = thrown if isinstance(thrown, GeneratorExit) else None
                    stage.note(item.value)
                    return item.value
                sent = thrown = None
                try:
                    sent = yield item
                except BaseException as error:  # noqa: BLE001  (the source's to handle)
                    thrown = error
                item = None
        except BaseException as error:
            failure = error
            raise
        finally:
            thrown = None
            stage.end(failure)
            failure = None

    return driven


def _advance(
    stage: _Stage, source: Iterator[Any], sent: object, thrown: BaseException | None
) -> object:
    """What *source* yields next, or that it returned."""
    generator = cast("Any", source)
    try:
        if thrown is not None and not hasattr(source, "throw"):
            raise thrown
        with stage:
            try:
                if thrown is not None:
                    return generator.throw(thrown)
                return next(source) if sent is None else generator.send(sent)
            except StopIteration as stop:
                return _Returned(stop.value)
    finally:
        # An exception holds the frames it passed; one that held it back would never be freed.
        thrown = None


def drive_async(scope: Scope, items: AsyncIterator[R]) -> AsyncGenerator[R, Any]:
    """The same items, with *scope* open to the end and current only while the source runs."""
    source = items.__aiter__()
    return _drive_async_calls(lambda: (scope, source))()


def _drive_async_calls(
    open_call: Callable[P, tuple[Scope, AsyncIterator[Any]]],
) -> Callable[P, AsyncGenerator[Any, Any]]:
    """An async generator function that passes on what the opened source yields and is sent."""

    async def driven(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
        scope, source = open_call(*args, **kwargs)
        stage = _Stage(scope)
        sent: Any = None
        thrown: BaseException | None = None
        failure: BaseException | None = None
        try:
            while True:
                item = await _advance_async(stage, source, sent, thrown)
                if isinstance(item, _Returned):
                    failure = thrown if isinstance(thrown, GeneratorExit) else None
                    return
                sent = thrown = None
                try:
                    sent = yield item
                except BaseException as error:  # noqa: BLE001  (the source's to handle)
                    thrown = error
                item = None
        except BaseException as error:
            failure = error
            raise
        finally:
            thrown = None
            stage.end(failure)
            failure = None

    return driven


async def _advance_async(
    stage: _Stage, source: AsyncIterator[Any], sent: object, thrown: BaseException | None
) -> object:
    """What *source* yields next, or that it returned."""
    try:
        if thrown is not None and not hasattr(source, "athrow"):
            raise thrown
        with stage:
            try:
                return await _ask(source, sent, thrown)
            except StopAsyncIteration:
                return _Returned()
    finally:
        thrown = None


def _ask(source: AsyncIterator[Any], sent: object, thrown: BaseException | None) -> Awaitable[Any]:
    """What to await for the next item of *source*."""
    generator = cast("Any", source)
    hooks = sys.get_asyncgen_hooks()
    # An event loop closes, in any order, the generators it saw begin. It is to see only the one
    # that drives, which closes the source; closed by both at once, the source would complain.
    sys.set_asyncgen_hooks(None, None)
    try:
        if thrown is not None:
            return cast("Awaitable[Any]", generator.athrow(thrown))
        return source.__anext__() if sent is None else cast("Any", generator.asend(sent))
    finally:
        sys.set_asyncgen_hooks(*hooks)
        thrown = None
