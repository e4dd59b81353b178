"""The arguments of a recorded call, restored by the annotations of today's function."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

import msgspec
from msgspec import Struct

from xray.capture.run import Run
from xray.errors import NotReplayableError
from xray.model.values import MARK, is_mark
from xray.replaying.code import Code
from xray.replaying.recorded import Recorded
from xray.replaying.requests import ReplayRequest

_EMPTY: Final = inspect.Parameter.empty
_ITERABLES: Final = (Iterable, Iterator)
_SPREAD: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_HOW: Final = (
    "Give what is missing: --param NAME=VALUE, --input FILE.json, or --object NAME=module:name; or "
    'record it whole: capture="full".'
)


class Call(Struct, frozen=True):
    """A function with its arguments.

    Args:
        code: the function.
        args: what is given by position.
        named: what is given by name.
        changed: arguments that are not as recorded, as far as JSON can say them.
        notes: what is not as it was in the recorded call.
        doubts: what may be another reason for a difference than another decision.
        wants_run: the parameter that takes the run, if there is one.
    """

    code: Code
    args: list[Any]
    named: dict[str, Any]
    changed: dict[str, Any]
    notes: list[str]
    doubts: list[str]
    wants_run: str | None = None


def bind_arguments(code: Code, recorded: Recorded, request: ReplayRequest) -> Call:
    """The recorded call of a function, with what the request gives in place of arguments.

    Raises:
        NotReplayableError: some of it was not captured, or does not fit today's function.
    """
    parameters = _read_parameters(code)
    given = {**request.objects, **request.values, **request.texts}
    _check_names(given, parameters, code)
    captured, is_cut = _read_captured(recorded)
    gone = [name for name in captured if name not in parameters]
    kept = {
        name: value
        for name, value in captured.items()
        if name in parameters and name not in given and parameters[name].hint is not Run
    }
    values: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, value in {**kept, **request.values}.items():
        faults = list(islice(_find_faults(value, name), 1))
        if faults:
            missing[name] = faults[0]
        else:
            _convert(values, missing, parameters[name], _open_marks(value))
    for name, text in request.texts.items():
        _convert(values, missing, parameters[name], text, is_typed=True)
    values.update(request.objects)
    wants_run = next((name for name, one in parameters.items() if one.hint is Run), None)
    for name, parameter in parameters.items():
        if name in values or name == wants_run:
            continue
        if is_cut:
            missing.setdefault(name, f"`{name}` was cut off")
        elif parameter.is_required:
            missing.setdefault(name, _word_absent(name, recorded))
    if missing:
        raise NotReplayableError(
            f"{recorded.name} cannot be replayed: {'; '.join(missing.values())}.",
            hint=_HOW,
            missing=missing,
        )
    notes = [
        f"Today's {recorded.name} takes no `{name}`, which the recorded call gave; it is left out."
        for name in gone
    ]
    changed = {name: _say(values[name]) for name in given}
    args, named = _spread(values, parameters)
    doubts = [
        f"`{name}` has no annotation that can be read here, so it was given as JSON has it."
        for name, value in kept.items()
        if parameters[name].hint is Any and isinstance(value, (dict, list))
    ]
    return Call(code, args, named, changed, notes, doubts, wants_run)


class _Parameter(Struct, frozen=True):
    name: str
    kind: Any
    hint: Any
    is_required: bool


def _read_parameters(code: Code) -> dict[str, _Parameter]:
    try:
        signature = inspect.signature(code.function)
    except (TypeError, ValueError) as error:
        raise NotReplayableError(f"{code.name} does not tell its parameters.") from error
    plain = inspect.unwrap(code.function)
    names = getattr(getattr(plain, "__func__", plain), "__globals__", {})
    return {
        name: _Parameter(
            name,
            one.kind,
            _resolve(one.annotation, names),
            one.default is _EMPTY and one.kind not in _SPREAD,
        )
        for name, one in signature.parameters.items()
    }


def _resolve(annotation: Any, names: dict[str, Any]) -> Any:
    """The type that *annotation* names; `Any` where that is known only to a type checker."""
    if annotation is _EMPTY:
        return Any

    def probe() -> None: ...

    probe.__annotations__ = {"it": annotation}
    try:
        return typing.get_type_hints(probe, globalns=names, include_extras=True)["it"]
    except Exception:  # noqa: BLE001  (annotations are code of the pipeline's)
        return Any


def _check_names(given: Mapping[str, Any], parameters: Mapping[str, Any], code: Code) -> None:
    for name in given:
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=1)
            known = ", ".join(parameters) or "none"
            raise NotReplayableError(
                f"{code.name} has no parameter {name!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"Its parameters: {known}.",
                code="unknown_parameter",
            )


def _read_captured(recorded: Recorded) -> tuple[dict[str, Any], bool]:
    """The captured arguments by name, and whether some of them were cut off."""
    captured = recorded.input
    if not isinstance(captured, dict):
        return {}, False
    if not is_mark(captured):
        return captured, False
    head = captured.get("head")
    return (head, True) if isinstance(head, dict) and not is_mark(head) else ({}, True)


def _word_absent(name: str, recorded: Recorded) -> str:
    if recorded.code is None:
        return f"`{name}` was not captured, as no decorated function was called"
    return f"`{name}` was not given in the recorded call"


def _find_faults(value: Any, path: str) -> Iterator[str]:
    """What of a captured value was not kept, in words."""
    if is_mark(value):
        kind = value[MARK]
        if kind == "map":
            yield from _find_faults(value.get("value"), path)
        elif kind == "truncated":
            yield _word_cut(value, path)
        elif kind == "redacted":
            yield f"`{path}` was redacted"
        elif kind == "array":
            shape = value.get("shape")
            yield f"`{path}` is {value.get('type')} {shape}, whose numbers are not kept"
        elif not _is_restorable(value):
            yield f"`{path}` is {value.get('type', kind)}, of which nothing is kept but that"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _find_faults(item, f"{path}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _find_faults(item, f"{path}[{place}]")


def _word_cut(mark: dict[str, Any], path: str) -> str:
    head, length = mark.get("head"), mark.get("length")
    unit = "characters" if isinstance(head, str) else "items"
    kept = len(head) if isinstance(head, (str, list, dict)) else 0
    if not isinstance(length, int):
        return f"`{path}` was cut"
    return f"`{path}` was cut: {kept:,} of {length:,} {unit} are kept"


def _is_restorable(mark: dict[str, Any]) -> bool:
    if mark[MARK] == "float":
        return True
    if mark[MARK] == "integer":
        return isinstance(mark.get("value"), str)
    return mark[MARK] == "bytes" and len(str(mark.get("head"))) == 2 * int(mark.get("length", -1))


def _open_marks(value: Any) -> Any:
    """A captured value without the marks that stand for what JSON cannot say."""
    if isinstance(value, list):
        return [_open_marks(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not is_mark(value):
        return {key: _open_marks(item) for key, item in value.items()}
    kind = value[MARK]
    if kind == "map":
        return {key: _open_marks(item) for key, item in value["value"].items()}
    if kind == "float":
        return float(value["value"])
    return int(value["value"], 0) if kind == "integer" else bytes.fromhex(value["head"])


def _convert(
    values: dict[str, Any],
    missing: dict[str, str],
    parameter: _Parameter,
    value: Any,
    *,
    is_typed: bool = False,
) -> None:
    hint = parameter.hint
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        hint = list[hint]  # type: ignore[valid-type]
    elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
        hint = dict[str, hint]  # type: ignore[valid-type]
    try:
        values[parameter.name] = (
            _read_typed(value, hint) if is_typed else _restore(value, hint, is_strict=True)
        )
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        shown = getattr(hint, "__name__", None) or str(hint)
        missing[parameter.name] = f"`{parameter.name}` does not fit {shown}: {error}"


def _read_typed(text: str, hint: Any) -> Any:
    """What somebody typed, as the type that is asked for; JSON where that may be anything."""
    try:
        plain = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return _restore(text, hint, is_strict=False)
    try:
        return _restore(plain, hint, is_strict=False)
    except (msgspec.ValidationError, TypeError, ValueError):
        return _restore(text, hint, is_strict=False)


def _restore(value: Any, hint: Any, *, is_strict: bool) -> Any:
    if hint in (Any, object):
        return value
    try:
        return msgspec.convert(value, hint, strict=is_strict, str_keys=True, dec_hook=_make)
    except TypeError as error:
        if isinstance(error, msgspec.ValidationError):
            raise
        return value  # An annotation that says nothing msgspec knows leaves what JSON has.


def _make(kind: type, value: Any) -> Any:
    """A value of a class that is no plain record: a path, a pydantic model, or what it is."""
    origin = typing.get_origin(kind)
    if origin in _ITERABLES and isinstance(value, list):
        items = _restore(value, list[typing.get_args(kind)], is_strict=True)  # type: ignore[misc]
        return items if origin is Iterable else iter(items)
    if issubclass(kind, PurePath):
        return kind(value)
    validate: Callable[[Any], Any] | None = getattr(kind, "model_validate", None)
    if validate is not None:
        return validate(value)
    if isinstance(value, kind):
        return value
    raise ValueError(f"{kind.__qualname__} cannot be made of what is kept of it")


def _say(value: Any) -> Any:
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError):
        return {MARK: "object", "type": type(value).__qualname__}


def _spread(
    values: Mapping[str, Any], parameters: Mapping[str, _Parameter]
) -> tuple[list[Any], dict[str, Any]]:
    """*values* by position, as far as they must be, and by name."""
    args: list[Any] = []
    named: dict[str, Any] = {}
    has_rest = any(
        one.kind is inspect.Parameter.VAR_POSITIONAL and values.get(name)
        for name, one in parameters.items()
    )
    for name, one in parameters.items():
        if name not in values:
            continue
        if one.kind is inspect.Parameter.VAR_POSITIONAL:
            args += values[name]
        elif one.kind is inspect.Parameter.VAR_KEYWORD:
            named.update(values[name])
        elif one.kind is inspect.Parameter.POSITIONAL_ONLY or (
            has_rest and one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        ):
            args.append(values[name])
        else:
            named[name] = values[name]
    return args, named
