"""What must never leave the process: values under telling names, and whatever a hook says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, Final

from xray.model.interruptions import is_interruption
from xray.model.kinds import is_a
from xray.model.values import MARK

RedactionHook = Callable[[str, Any], Any]
"""Called with a key and its value; returns the value to keep, or `REDACTED`."""

REDACTED: Final[dict[str, Any]] = {MARK: "redacted"}
"""What stands in the place of a redacted value."""

DEFAULT_REDACTED_KEYS: Final = (
    "pass word",
    "pass phrase",
    "passcode",
    "pwd",
    "secret",
    "api key",
    "access key",
    "private key",
    "secret key",
    "signing key",
    "encryption key",
    "ssh key",
    "basic auth",
    "http auth",
    "proxy auth",
    "bearer",
    "jwt",
    "creds",
    "cookie",
    "csrf",
    "xsrf",
    "session id",
    "session key",
    "otp",
    "dsn",
    "connection string",
    "ssn",
    "social security",
    "credit card",
    "card number",
    "cvv",
    "cvc",
)
"""Words, or words in a row, that make a key telling; `token` has rules of its own."""

# Patterns are compiled when a key is first judged, so that `import xray` stays cheap.
# So telling that they count within a longer word too: `dbpassword`, `clientsecret`, `openaiapikey`.
_TELLING_ANYWHERE: Final = (
    r"password|passwd|passphrase|credential|authorization|secret(?![a-z])"
    r"|apikey|privatekey|secretkey|accesskey|creditcard|^auth$"
)
# A token is a credential or a piece of text. The plural, and what measures tokens, is text.
# Every telling key holds one of these, which is quickly seen.
_HINTS: Final = (
    *("auth", "bearer", "card", "connection", "cookie", "cred", "csrf", "cvc", "cvv", "dsn"),
    *("jwt", "key", "otp", "pass", "pwd", "secret", "session", "social", "ssn", "token", "xsrf"),
)
_SINGULAR: Final = r"token(?![a-z])"
_OF_CREDENTIALS: Final = (
    r"(?<![a-z])(?:access|api|auth|bearer|bot|csrf|deploy|device|login|oauth_?\d*|personal|push"
    r"|refresh|reset|secret|security|session|webhook|xsrf)_tokens?(?![a-z])"
)
_TEXT_BEFORE: Final = (
    r"(?<![a-z])(?:avg|bos|cls|end|eos|first|last|mask|max|mean|min|n|num|pad|per|sep|special"
    r"|start|stop|total|unk)_$"
)
_TEXT_AFTER: Final = (
    r"_(?:budget|classification|cost|count|distribution|embedding|entropy|frequency|id|index"
    r"|indice|len|length|level|limit|logprob|mask|max|min|number|offset|overlap|per|position"
    r"|price|prob|probabilitie|probability|rate|ratio|score|set|similarity|size|sort|stat|total"
    r"|type|usage|used|weight|window)s?(?![a-z])"
)
_CAMEL: Final = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
_BETWEEN_WORDS: Final = r"[\W_]+"
_MAX_KNOWN_KEYS: Final = 10_000
_MAX_KNOWN_KEY_LENGTH: Final = 64
_MAX_KEY_LENGTH: Final = 4_096


class Redactor:
    """Decides by key name which values are kept.

    A key is read as words, however it is written: `apiKey`, `API-KEY` and `api key` are the same.

    Args:
        keys: words that make a key telling, besides `DEFAULT_REDACTED_KEYS`.
        hook: asked for every key and value besides; a hook that raises redacts the value.
        allowed_keys: whole keys whose values are kept all the same; the hook is still asked.
    """

    def __init__(
        self,
        keys: Iterable[str] = (),
        hook: RedactionHook | None = None,
        allowed_keys: Iterable[str] = (),
    ) -> None:
        self.hook = hook
        self.harmless: set[str] = set()
        """Keys already found harmless; the fast path of the verbs looks here. Empty with a hook."""
        self.verdicts: dict[str, bool] = {}
        """Keys already judged, and whether their values are redacted."""
        self._allowed = frozenset(_join_words(key) for key in allowed_keys)
        own = [term for key in keys if (term := _match_words(key))]
        self._own = _compile_words(own) if own else None
        default = [_match_words(key) for key in DEFAULT_REDACTED_KEYS]
        self._telling = _compile_words(default, _TELLING_ANYWHERE)

    def hides_key(self, key: str) -> bool:
        """Whether values under *key* are redacted."""
        verdict = self.verdicts.get(key)
        if verdict is None:
            if len(key) > _MAX_KEY_LENGTH:
                return True
            verdict = self._judge(key)
            self._remember(key, verdict)
        return verdict

    def apply(self, key: str, value: object) -> object:
        """*value*, or what stands in its place under *key*."""
        if self.hides_key(key):
            return REDACTED
        if self.hook is None:
            return value
        try:
            return self.hook(key, value)
        except Exception as error:
            if is_interruption(error):
                raise
            # A broken hook must not let the value through.
            return REDACTED

    def _judge(self, key: str) -> bool:
        if self._own is None and key.isascii():
            lower = key.lower()
            for hint in _HINTS:
                if hint in lower:
                    break
            else:
                return False
        words = _join_words(key)
        if words in self._allowed:
            return False
        # The split by case may fall within a word (`APIKEYv2`); the key unsplit is read too.
        return any(
            (self._own is not None and self._own.search(spelling) is not None)
            or self._telling.search(spelling) is not None
            or _names_credential_token(spelling)
            for spelling in {words, _fold(key)}
        )

    def _remember(self, key: str, verdict: bool) -> None:
        if len(key) > _MAX_KNOWN_KEY_LENGTH:
            return
        if len(self.verdicts) >= _MAX_KNOWN_KEYS:
            self.verdicts.clear()
            self.harmless.clear()
        self.verdicts[key] = verdict
        if not verdict and self.hook is None:
            self.harmless.add(key)


def _names_credential_token(words: str) -> bool:
    if "token" not in words:
        return False
    if re.search(_OF_CREDENTIALS, words):
        return True
    return any(
        not re.search(_TEXT_BEFORE, words[: found.start()])
        and not re.match(_TEXT_AFTER, words[found.end() :])
        for found in re.finditer(_SINGULAR, words)
    )


def _compile_words(terms: Iterable[str], anywhere: str | None = None) -> re.Pattern[str]:
    pattern = rf"(?<![a-z])(?:{'|'.join(terms)})s?(?![a-z])"
    return re.compile(pattern if anywhere is None else f"{pattern}|{anywhere}")


def _match_words(term: str) -> str:
    return "_?".join(re.escape(word) for word in _join_words(term).split("_") if word)


def _join_words(key: str) -> str:
    return _fold(re.sub(_CAMEL, "_", _normalize(key)))


def _fold(key: str) -> str:
    return re.sub(_BETWEEN_WORDS, "_", _normalize(key).casefold()).strip("_")


def _normalize(key: str) -> str:
    plain = str.__str__(key) if is_a(key, str) else ""
    return plain if plain.isascii() else unicodedata.normalize("NFKC", plain)
