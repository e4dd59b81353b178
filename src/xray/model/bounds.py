"""What decoding checks: the bounds within which every store can keep a fact and find it again."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from xray.model.ids import MAX_CANDIDATE_ID_LENGTH

INT64_MAX: Final = (1 << 63) - 1
YEAR_9999_US: Final = 253_402_300_799_999_999

Uuid = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
]
Count = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Ordinal = Annotated[int, Meta(ge=1, le=INT64_MAX)]
Whole = Annotated[int, Meta(ge=-INT64_MAX - 1, le=INT64_MAX)]
WallTime = Annotated[int, Meta(ge=0, le=YEAR_9999_US)]
Duration = Annotated[float, Meta(ge=0, le=1e15)]
Weight = Annotated[float, Meta(gt=0, le=1e15)]
CandidateId = Annotated[str, Meta(max_length=MAX_CANDIDATE_ID_LENGTH)]
