"""Scalars and arrays of NumPy, read without importing it and without code of classes below its."""

from __future__ import annotations

from typing import Any, Final

from xray.model.kinds import is_a, read_loaded

_PLAIN_SCALARS: Final = "biufUS"
_MAX_SHAPE: Final = 64
_MAX_DTYPE_LENGTH: Final = 256


def is_array(value: object) -> bool:
    """Whether *value* is an array or a scalar of NumPy."""
    return _find_kind(value) is not None


def read_array_scalar(value: object) -> object:
    """The plain Python value of a NumPy scalar or array without dimensions; None for all else."""
    kind = _find_kind(value)
    if kind is None or kind.ndim.__get__(value) != 0:
        return None
    if kind.dtype.__get__(value).kind not in _PLAIN_SCALARS:
        return None
    plain: object = kind.item(value)
    # The widest floats have no Python type of their own and come back as they are.
    return float(read_loaded("numpy", "float64")(plain)) if _find_kind(plain) else plain


def spell_array_time(value: object) -> str | None:
    """A moment or duration of NumPy as text, `NaT` where it is none; None for all else."""
    for name in ("datetime64", "timedelta64"):
        if type(value) is read_loaded("numpy", name):
            return str(value)
    return None


def describe_array(value: object) -> tuple[list[int], str]:
    """The shape and the element type of an array; its elements are not read."""
    kind = _find_kind(value)
    dtype = kind.dtype.__get__(value)
    fields: tuple[str, ...] | None = dtype.names
    spelled = str(dtype) if fields is None else f"{len(fields)} fields"
    return list(kind.shape.__get__(value))[:_MAX_SHAPE], spelled[:_MAX_DTYPE_LENGTH]


def _find_kind(value: object) -> Any:
    for name in ("generic", "ndarray"):
        kind: Any = read_loaded("numpy", name)
        # While another thread still imports it, or where a test stands in for it, it is no type.
        if issubclass(type(kind), type) and is_a(value, kind):
            return kind
    return None
