"""What people write who know other query languages, and what to write here instead."""

from __future__ import annotations

from typing import Final

SIGNS: Final = {
    "&&": "Write and.",
    "||": "Write or.",
    "&": "Write and.",
    "|": "Write or.",
    "!": "Write not.",
    "<>": "Write !=.",
    "=>": "Write >=.",
    "=<": "Write <=.",
    "=~": "Write contains.",
    "!~": "Write not, and contains.",
    "~": "Write contains.",
    "≠": "Write !=.",
    "≤": "Write <=.",
    "≥": "Write >=.",
    "“": "Write ' or \".",
    "”": "Write ' or \".",
    "„": "Write ' or \".",
    "‘": "Write ' or \".",
    "’": "Write ' or \".",
    "«": "Write ' or \".",
    "»": "Write ' or \".",
    "`": "Write ' or \" around text, and nothing around fields.",
    "[": 'Write a list in round brackets, and odd names in quotes: metadata."a b".',
    "]": 'Write a list in round brackets, and odd names in quotes: metadata."a b".',
    "{": "Write a list in round brackets.",
    "}": "Write a list in round brackets.",
    "%": "Write a share instead: 0.9 is 90 %.",
    ":": "Write = between a field and a value.",
    ";": "Leave it out; join conditions with and, or.",
    "*": "Write contains 'text' to look inside text.",
    "?": "Write the value itself.",
    "$": "Write the field as it is listed, without a sign before it.",
    "@": "Write the field as it is listed, without a sign before it.",
    "#": "Leave it out; a query has no comments.",
}
"""Signs that mean nothing here, and the hint to give for each."""

COMPARISONS: Final = {
    "is": "Write {field} = value, exists({field}) or not exists({field}).",
    "between": "Write {field} >= lowest and {field} <= highest.",
    "like": "Write {field} contains 'text'.",
    "ilike": "Write {field} contains 'text'.",
    "matches": "Write {field} contains 'text'.",
    "includes": "Write {field} has 'text' for a list, {field} contains 'text' for text.",
    "include": "Write {field} has 'text' for a list, {field} contains 'text' for text.",
    "contain": "Write {field} contains 'text'.",
    "startswith": "Write {field} contains 'text'.",
    "endswith": "Write {field} contains 'text'.",
    "equals": "Write {field} = value.",
    "eq": "Write {field} = value.",
    "gt": "Write {field} > value.",
    "gte": "Write {field} >= value.",
    "lt": "Write {field} < value.",
    "lte": "Write {field} <= value.",
}
"""Words that compare elsewhere; `{field}` stands for the field before them."""

FUNCTIONS: Final = {
    "all": "Write not any(not …), where no row may break the condition.",
    "none": "Write not any(…).",
    "some": "Write any(…).",
    "every": "Write not any(not …), where no row may break the condition.",
    "has": "Write tags has 'a'.",
    "contains": "Write reasoning contains 'a'.",
    "in": "Write field in ('a', 'b').",
    "isnull": "Write not exists(…).",
    "now": "Write 0s for this moment, 24h for a day ago.",
    "count": "Counts are fields: rejected_count > 3.",
    "lower": "contains takes upper and lower case as the same.",
    "upper": "contains takes upper and lower case as the same.",
}
"""Functions of other languages."""

CLAUSES: Final = {
    "limit": "Give the limit beside the query.",
    "order": "Leave it out: runs and steps come newest first.",
    "sort": "Leave it out: runs and steps come newest first.",
    "group": "Leave it out: a query says which records, not how they are counted.",
    "where": "Leave it out, and join conditions with and, or.",
}
"""What follows a condition elsewhere."""

ABSENCES: Final = frozenset({"null", "none", "nil", "undefined", "nan"})
"""How other languages spell that there is no value."""

MOMENTS: Final = frozenset({"now", "today", "yesterday"})
"""Names for moments."""
