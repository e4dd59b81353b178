"""Addresses of servers and databases as they may be shown."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """*url* without the name and password it may hold."""
    return re.sub(r"//[^/@]*@", "//…@", url)
