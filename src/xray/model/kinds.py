"""What an object really is, asked of its type without running any code of the pipeline's.

`isinstance` asks an object for its `__class__`, and a class for its name or ancestors goes through
its metaclass; both may be the pipeline's own code. Here everything is read where Python keeps it.
"""

from __future__ import annotations

import sys
from types import GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any, Final, TypeGuard, TypeVar, overload

T = TypeVar("T")
U = TypeVar("U")

_MAX_NAME_LENGTH: Final = 256
_read_ancestors: Final = type.__dict__["__mro__"].__get__
_read_namespace: Final = type.__dict__["__dict__"].__get__
_read_module: Final = _read_namespace(ModuleType)["__dict__"].__get__
_read_qualname: Final = type.__dict__["__qualname__"].__get__


@overload
def is_a(value: object, kind: type[T]) -> TypeGuard[T]: ...
@overload
def is_a(value: object, kind: tuple[type[T], type[U]]) -> TypeGuard[T | U]: ...
@overload
def is_a(value: object, kind: tuple[type[Any], ...]) -> TypeGuard[Any]: ...
def is_a(value: object, kind: Any) -> bool:
    """Whether the type of *value* is *kind* or below it, whatever *value* says of itself."""
    return issubclass(type(value), kind)


def is_one_of(value: object, kinds: tuple[type[Any], ...]) -> bool:
    """Whether the type of *value* is exactly one of *kinds*.

    `in` would compare and hash types, which a metaclass may answer with code of the pipeline's.
    """
    kind = type(value)
    for one in kinds:  # noqa: SIM110  (a generator would cost more than the search)
        if kind is one:
            return True
    return False


def name_kind(value: object) -> str:
    """The name of the type of *value*, short enough to store."""
    name = str.__str__(_read_qualname(type(value)))[:_MAX_NAME_LENGTH]
    return name if name.isascii() else name.encode("utf-8", "replace").decode("utf-8")


def read_class_field(kind: type, name: str) -> Any:
    """What *kind* or a class above it holds under *name*, unbound; None when none does."""
    for ancestor in _read_ancestors(kind):
        held = _read_namespace(ancestor)
        if name in held:
            return held[name]
    return None


def read_own_fields(value: object) -> dict[str, Any] | None:
    """The `__dict__` of *value* itself, even where its class shows another; None without one."""
    for ancestor in _read_ancestors(type(value)):
        slot = _read_namespace(ancestor).get("__dict__")
        if type(slot) is GetSetDescriptorType or type(slot) is MemberDescriptorType:
            own: Any = _read_slot(slot, value)
            return own if type(own) is dict else None
    return None


def read_member(value: object, name: str) -> object:
    """What *value* holds in the slot *name*; None without one."""
    slot = read_class_field(type(value), name)
    return _read_slot(slot, value) if type(slot) is MemberDescriptorType else None


def read_loaded(module: str, name: str) -> Any:
    """What *module* holds under *name*; None unless the pipeline has loaded it by now."""
    loaded: object = sys.modules.get(module)
    return _read_module(loaded).get(name) if is_a(loaded, ModuleType) else None


def _read_slot(slot: Any, value: object) -> object:
    try:
        return slot.__get__(value)
    except AttributeError:
        return None
