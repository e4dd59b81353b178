"""The arguments of a recorded call, restored by the annotations of today's function."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from xray.capture.run import Run
from xray.errors import NotReplayableError
from xray.model.values import MARK, is_mark
from xray.replaying.code import Code
from xray.replaying.recorded import Recorded
from xray.replaying.requests import ReplayRequest
from xray.replaying.restoring import find_faults, open_marks, read_typed, restore_value

_EMPTY: Final = inspect.Parameter.empty
_SPREAD: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_HOW: Final = (
    "Give what is missing: --param NAME=VALUE, --input FILE.json, --object NAME=module:name, or "
    '--candidates NAME for the list of what was decided; or record it whole: capture="full".'
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
    rebuilt = _rebuild_candidates(recorded, request.candidates, parameters, code)
    plain = {**rebuilt, **request.values}
    given = {**request.objects, **plain, **request.texts}
    _check_names(given, parameters, code)
    captured, is_cut = _read_captured(recorded)
    kept = {
        name: value
        for name, value in captured.items()
        if name in parameters and name not in given and parameters[name].hint is not Run
    }
    values: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, value in {**kept, **plain}.items():
        fault = next(find_faults(value, name), None)
        if fault is not None:
            missing[name] = fault
            continue
        read = _read_loosely if name in rebuilt else restore_value
        _convert(values, missing, parameters[name], open_marks(value), read)
    for name, text in request.texts.items():
        _convert(values, missing, parameters[name], text, read_typed)
    values.update(request.objects)
    wants_run = next((name for name, one in parameters.items() if one.hint is Run), None)
    for name, parameter in parameters.items():
        if name not in values and name != wants_run and (is_cut or parameter.is_required):
            missing.setdefault(name, _word_absent(name, recorded, is_cut=is_cut))
    if missing:
        raise NotReplayableError(
            f"{recorded.name} cannot be replayed: {'; '.join(missing.values())}.",
            hint=_HOW,
            missing=missing,
        )
    args, named = _spread(values, parameters)
    return Call(
        code=code,
        args=args,
        named=named,
        changed={name: _say(values[name]) for name in given if name not in rebuilt},
        notes=[
            f"Today's {recorded.name} takes no `{name}`, which the recorded call gave; it is left "
            "out."
            for name in captured
            if name not in parameters
        ],
        doubts=[
            f"`{name}` has no annotation that can be read here, so it was given as JSON has it."
            for name, value in kept.items()
            if parameters[name].hint is Any and isinstance(value, (dict, list))
        ],
        wants_run=wants_run,
    )


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


def _rebuild_candidates(
    recorded: Recorded,
    argument: str | None,
    parameters: Mapping[str, _Parameter],
    code: Code,
) -> dict[str, Any]:
    """The argument that held the step's candidates, made of what was recorded of them."""
    if argument is None:
        return {}
    _check_names({argument: None}, parameters, code)
    if recorded.step is None:
        raise NotReplayableError("Only a step has candidates.", hint="Name it: --step NAME.")
    ledger = recorded.evidence.ledger(recorded.evidence.steps[0])
    if not ledger.is_detailed() or ledger.anonymous_count:
        raise NotReplayableError(
            f"{recorded.name} kept {ledger.detailed_count:,} of its {ledger.decided_count:,} "
            "decisions with an id and details, so its candidates are not all known.",
            hint='Record the step whole: capture="full".',
        )
    rows = [row for row in ledger.table if row.decision is not None and not row.is_logged]
    if typing.get_args(parameters[argument].hint)[:1] in ((str,), (int,)):
        return {argument: [row.candidate_id for row in rows]}
    return {argument: [{"id": row.candidate_id, **row.attributes} for row in rows]}


def _read_captured(recorded: Recorded) -> tuple[dict[str, Any], bool]:
    """The captured arguments by name, and whether some of them were cut off."""
    captured = recorded.input
    if not isinstance(captured, dict):
        return {}, False
    if not is_mark(captured):
        return captured, False
    head = captured.get("head")
    return (head, True) if isinstance(head, dict) and not is_mark(head) else ({}, True)


def _word_absent(name: str, recorded: Recorded, *, is_cut: bool) -> str:
    if is_cut:
        return f"`{name}` was cut off"
    if recorded.code is None:
        return f"`{name}` was not captured, as no decorated function was called"
    return f"`{name}` was not given in the recorded call"


def _read_loosely(value: Any, hint: Any) -> Any:
    # An id that was a number is recorded as text.
    return restore_value(value, hint, is_strict=False)


def _convert(
    values: dict[str, Any],
    missing: dict[str, str],
    parameter: _Parameter,
    value: Any,
    read: Callable[[Any, Any], Any],
) -> None:
    """Add what *read* makes of an argument to *values*, or to *missing* why it makes nothing."""
    name, hint = parameter.name, parameter.hint
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        hint = list[hint]  # type: ignore[valid-type]
    elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
        hint = dict[str, hint]  # type: ignore[valid-type]
    try:
        values[name] = read(value, hint)
    except (TypeError, ValueError) as error:
        shown = getattr(hint, "__name__", None) or str(hint)
        missing[name] = f"`{name}` does not fit {shown}: {error}"


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
