"""Which container of which library something is, asked without importing any of them."""

from __future__ import annotations

import sys
from typing import Any, Final, Literal

from xray.model.kinds import is_a, read_loaded

Shape = Literal["array", "series", "index", "frame", "lazy", "expression", "table", "column"]

_KINDS: Final[tuple[tuple[str, str, Shape], ...]] = (
    ("numpy", "ndarray", "array"),
    ("pandas", "DataFrame", "frame"),
    ("pandas", "Series", "series"),
    ("pandas", "Index", "index"),
    ("polars", "DataFrame", "frame"),
    ("polars", "LazyFrame", "lazy"),
    ("polars", "Series", "series"),
    ("polars", "Expr", "expression"),
    ("pyarrow", "Table", "table"),
    ("pyarrow", "RecordBatch", "table"),
    ("pyarrow", "ChunkedArray", "column"),
    ("pyarrow", "Array", "column"),
)


def find_library(value: object) -> tuple[str, Shape] | None:
    """The library *value* comes from and what it is there; None for everything else."""
    for library, name, shape in _KINDS:
        kind: Any = read_loaded(library, name)
        # While another thread still imports the library, the name may stand for no type.
        if issubclass(type(kind), type) and is_a(value, kind):
            return library, shape
    return None


def find_numpy() -> Any:
    """NumPy as the pipeline loaded it; None where it did not."""
    return None if read_loaded("numpy", "ndarray") is None else sys.modules.get("numpy")
