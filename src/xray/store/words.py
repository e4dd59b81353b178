"""The numbers that stand for words in the columns of a database.

They are stored: a word may be added at the end, never moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from xray.model.vocabulary import LabelWord

DimKind = Literal[1, 2, 3, 4, 5, 6, 7, 8]
PIPELINE: Final = 1
STEP_NAME: Final = 2
VERSION: Final = 3
ENVIRONMENT: Final = 4
REPOSITORY: Final = 5
REASON: Final = 6
DECLARED_TYPE: Final = 7
PARAMS: Final = 8

RUN_STATUS_WORDS: Final = ("running", "completed", "failed", "cancelled", "abandoned")
STEP_STATUS_WORDS: Final = ("running", "completed", "failed", "cancelled")
STEP_TYPE_WORDS: Final = (
    "generate", "retrieve", "filter", "rank", "select", "transform", "group", "custom",
)  # fmt: skip
CAPTURE_WORDS: Final = ("minimal", "sample", "full")
RATE_BASIS_WORDS: Final = ("counted", "declared", "given", "sampled", "inferred")

LABEL_WORDS: Final[tuple[LabelWord, ...]] = ("good", "bad")


def number_words(words: tuple[str, ...]) -> Mapping[str, int]:
    """The number of each word."""
    return MappingProxyType({word: number for number, word in enumerate(words)})
