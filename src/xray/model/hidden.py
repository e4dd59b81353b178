"""Characters that nobody sees, made visible: they could make recorded text read as another."""

from __future__ import annotations

import re
from typing import Final

_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def spell_hidden(text: str, *, keep: str = "") -> str:
    """*text* with control characters, marks of direction and halves of pairs as escapes.

    Args:
        keep: characters to leave as they are, such as line breaks.
    """
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
