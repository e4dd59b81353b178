"""Sessions of browsers: a cookie that proves, for some days, that somebody typed the server's key.

Nothing is stored: a token is its last moment and a digest of it under the key. So every process of
a server accepts it, and a new key ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Final

COOKIE: Final = "xray_session"
LIFETIME_S: Final = 14 * 86_400
_PURPOSE: Final = b"xray session until "


def make_token(key: bytes, now_s: int) -> str:
    """A token that is good from *now_s* for `LIFETIME_S`."""
    until = str(now_s + LIFETIME_S)
    return f"{until}.{_sign(key, until)}"


def is_token(token: str, key: bytes, now_s: int) -> bool:
    """Whether *token* was made under *key* and is still good."""
    until, _, signature = token.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) <= 12 and signature.isascii()):
        return False
    return hmac.compare_digest(signature, _sign(key, until)) and now_s < int(until)


def spell_cookie(token: str, *, is_encrypted: bool) -> str:
    """The header that gives *token* to a browser; no script and no other site can use it."""
    secure = "; Secure" if is_encrypted else ""
    return (
        f"{COOKIE}={token}; Path=/; Max-Age={LIFETIME_S if token else 0};"
        f" HttpOnly; SameSite=Strict{secure}"
    )


def read_cookie(header: str) -> str:
    """The token in a Cookie header; empty where there is none."""
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _sign(key: bytes, until: str) -> str:
    return hmac.new(key, _PURPOSE + until.encode(), hashlib.sha256).hexdigest()
