"""What must never leave the process: values under telling names, and whatever a hook says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from xray.model.values import MARK

RedactionHook = Callable[[str, Any], Any]
"""Called with a key and its value; returns the value to keep, or `REDACTED`."""

REDACTED: Final[dict[str, Any]] = {MARK: "redacted"}
"""What stands in the place of a redacted value."""

DEFAULT_REDACTED_KEYS: Final = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "authorization",
    "credential",
    "cookie",
    "session_id",
    "ssn",
    "credit_card",
    "card_number",
    "cvv",
)
_NOT_SECRET: Final = re.compile(
    r"^(?:(?:max|min|num|n|total|new|input|output|prompt|completion|cached?|reasoning)_?)*tokens?_?"
    r"(?:count|s|used|usage|limit|budget|ids?|type)?$|^tokeni[sz]"
)
_MAX_KNOWN_KEYS: Final = 10_000
_MAX_KEY_LENGTH: Final = 4_096


class Redactor:
    """Decides by key name which values are kept.

    Args:
        keys: parts of key names whose values are redacted; case, `-` and spaces do not matter.
        hook: asked for every key and value besides; a hook that raises redacts the value.
    """

    def __init__(
        self, keys: Iterable[str] = DEFAULT_REDACTED_KEYS, hook: RedactionHook | None = None
    ) -> None:
        self.hook = hook
        self.harmless: set[str] = set()
        """Keys already found harmless; the fast path of the verbs looks here. Empty with a hook."""
        spelled = [re.escape(_normalize(key)) for key in keys]
        self._pattern = re.compile("|".join(spelled)) if spelled else None

    def hides_key(self, key: str) -> bool:
        """Whether values under *key* are redacted."""
        if self._pattern is None:
            return False
        if len(key) > _MAX_KEY_LENGTH:
            return True
        normal = _normalize(key)
        found = self._pattern.search(normal)
        hidden = found is not None and not (found[0] == "token" and _NOT_SECRET.match(normal))
        if not hidden and self.hook is None and len(self.harmless) < _MAX_KNOWN_KEYS:
            self.harmless.add(key)
        return hidden

    def apply(self, key: str, value: object) -> object:
        """*value*, or what stands in its place under *key*."""
        if self.hides_key(key):
            return REDACTED
        if self.hook is None:
            return value
        try:
            return self.hook(key, value)
        except Exception:  # noqa: BLE001  (a broken hook must not let the value through)
            return REDACTED


def _normalize(key: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", key)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower())
