"""Free-form values compared: which of their parts differ, and where those are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from xray.model.differences import Change

MAX_CHANGES: Final = 50
_MAX_DEPTH: Final = 12
_ABSENT: Final = object()


def list_changes(path: str, a: object, b: object) -> list[Change]:
    """What differs between two values that stand under *path*: at most 50 changes, in order."""
    found: list[Change] = []
    for change in _walk(path, a, b, 0):
        found.append(change)
        if len(found) == MAX_CHANGES:
            break
    return found


def _walk(path: str, a: Any, b: Any, depth: int) -> Iterator[Change]:
    if are_same(a, b):
        return
    if depth < _MAX_DEPTH and isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            below = f"{path}{_spell_key(key)}"
            yield from _walk(below, a.get(key, _ABSENT), b.get(key, _ABSENT), depth + 1)
    elif depth < _MAX_DEPTH and isinstance(a, list) and isinstance(b, list):
        for index in range(max(len(a), len(b))):
            own = a[index] if index < len(a) else _ABSENT
            other = b[index] if index < len(b) else _ABSENT
            yield from _walk(f"{path}[{index}]", own, other, depth + 1)
    elif a is _ABSENT:
        yield Change(path=path, b=b, only_in="b")
    elif b is _ABSENT:
        yield Change(path=path, a=a, only_in="a")
    else:
        yield Change(path=path, a=a, b=b)


def are_same(a: object, b: object) -> bool:
    """Whether two values were recorded alike: `1` is the same as `1.0`, and not as `True`."""
    if isinstance(a, bool) is not isinstance(b, bool):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(are_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(are_same, a, b))
    return a == b


def _spell_key(key: str) -> str:
    return f".{key}" if key.isidentifier() else f"[{json.dumps(key, ensure_ascii=False)}]"
