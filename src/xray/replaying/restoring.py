"""What is kept of a value when it is captured, made into that value again by its annotation."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import Any, Final

import msgspec

from xray.model.values import MARK, is_mark

_ITERABLES: Final = (Iterable, Iterator)


def find_faults(value: Any, path: str) -> Iterator[str]:
    """What of a captured value was not kept, in words.

    Args:
        value: it, as it was recorded.
        path: what it is called, for the words.
    """
    if is_mark(value):
        kind = value[MARK]
        if kind == "map":
            yield from find_faults(value.get("value"), path)
        elif kind == "truncated":
            yield _word_cut(value, path)
        elif kind == "redacted":
            yield f"`{path}` was redacted"
        elif kind == "array":
            yield f"of `{path}` only type and shape are kept, {value['type']} {value['shape']}"
        elif not _is_restorable(value):
            yield f"of `{path}` only the type is kept, {value.get('type', kind)}"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from find_faults(item, f"{path}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from find_faults(item, f"{path}[{place}]")


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


def open_marks(value: Any) -> Any:
    """A captured value without the marks that stand for what JSON cannot say."""
    if isinstance(value, list):
        return [open_marks(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not is_mark(value):
        return {key: open_marks(item) for key, item in value.items()}
    kind = value[MARK]
    if kind == "map":
        return {key: open_marks(item) for key, item in value["value"].items()}
    if kind == "float":
        return float(value["value"])
    return int(value["value"], 0) if kind == "integer" else bytes.fromhex(value["head"])


def read_typed(text: str, hint: Any) -> Any:
    """What somebody typed, as the type that is asked for; JSON where that may be anything.

    Raises:
        ValueError: it does not fit.
    """
    try:
        plain = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return restore_value(text, hint, is_strict=False)
    try:
        return restore_value(plain, hint, is_strict=False)
    except (msgspec.ValidationError, TypeError, ValueError):
        return restore_value(text, hint, is_strict=False)


def restore_value(value: Any, hint: Any, *, is_strict: bool = True) -> Any:
    """A plain value as the type that is asked for.

    Args:
        value: it, without marks.
        hint: the annotation; `Any` leaves it as it is.
        is_strict: whether a text must stay one, even where a number is asked for.

    Raises:
        ValueError: it does not fit; the message says where.
    """
    if hint in (Any, object):
        return value
    try:
        return msgspec.convert(value, hint, strict=is_strict, str_keys=True, dec_hook=_make)
    except TypeError as error:
        if isinstance(error, msgspec.ValidationError):
            raise
        return value  # An annotation that says nothing msgspec knows leaves what JSON has.


def _make(kind: type, value: Any) -> Any:
    """A value of a class that is no plain record: a path, a pydantic model, a frame of records."""
    origin = typing.get_origin(kind)
    if origin in _ITERABLES and isinstance(value, list):
        items = restore_value(value, list[typing.get_args(kind)], is_strict=True)  # type: ignore[misc]
        return items if origin is Iterable else iter(items)
    if issubclass(kind, PurePath):
        return kind(value)
    validate: Callable[[Any], Any] | None = getattr(kind, "model_validate", None)
    if validate is not None:
        return validate(value)
    if kind.__name__ == "DataFrame" and isinstance(value, list):
        frame: Callable[[list[Any]], Any] = kind
        return frame(value)
    if isinstance(value, kind):
        return value
    raise ValueError(f"{kind.__qualname__} cannot be made of what is kept of it")
