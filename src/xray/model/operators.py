"""What the operators of checks mean, where checks are recorded and where they are tried again."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from xray.model.vocabulary import Operator

COMPARE: Final[dict[Operator, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": lambda observed, limit: observed in limit,
    "not in": lambda observed, limit: observed not in limit,
}
"""How an observed value is compared with its limit."""

MEMBERSHIP: Final[frozenset[Operator]] = frozenset({"in", "not in"})
"""Those whose limit is a collection."""

ORDERINGS: Final[frozenset[Operator]] = frozenset({"<", "<=", ">", ">="})
"""Those that a limit on a scale belongs to."""
