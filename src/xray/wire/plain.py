"""Makes a fact encodable when a value in it is not: replaces or marks, never raises."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from msgspec import Raw, Struct, structs

from xray.model.values import MARK
from xray.wire.scan import mend_surrogates

_INT_MIN: Final = -(1 << 63)
_INT_MAX: Final = (1 << 64) - 1
_MAX_DEPTH: Final = 40
_MAX_DIGITS_BITS: Final = 4096

AnyStruct = TypeVar("AnyStruct", bound=Struct)


def plain_struct(struct: AnyStruct) -> AnyStruct:
    """*struct* with every value in it that msgpack cannot say replaced or marked."""
    fields = {name: plain(getattr(struct, name), _MAX_DEPTH) for name in struct.__struct_fields__}
    return structs.replace(struct, **fields)


def plain(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """*value* as msgpack can say it: text mended, large numbers and objects marked."""
    if isinstance(value, str):
        return value if value.isascii() else mend_surrogates(str(value))
    if isinstance(value, bool) or value is None or isinstance(value, (float, bytes, Raw)):
        return value
    if isinstance(value, int):
        return value if _INT_MIN <= value <= _INT_MAX else mark_integer(value)
    if depth == 0:
        return {MARK: "truncated", "type": type(value).__qualname__}
    if isinstance(value, Struct):
        return plain_struct(value)
    if type(value) is dict:
        return {plain(key, 0): plain(item, depth - 1) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [plain(item, depth - 1) for item in value]
    return refuse_object(value)


def refuse_object(value: object) -> dict[str, str]:
    """The mark that stands for an object of a type the wire format does not know."""
    return {MARK: "object", "type": type(value).__qualname__}


def mark_integer(value: int) -> dict[str, str]:
    """The mark that stands for a whole number beyond 64 bits."""
    spelled = str(value) if value.bit_length() <= _MAX_DIGITS_BITS else hex(value)[:1024]
    return {MARK: "integer", "value": spelled}
