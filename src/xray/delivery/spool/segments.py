"""What a process knows of one file of its spool: how much is in it, read, and let go of."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xray.delivery.losses import Volume
from xray.delivery.queue import Parcel


@dataclass(slots=True, eq=False)
class Segment:
    """One file of records.

    Args:
        number: its place in the lane; later segments have higher numbers.
        path: where it is.
        size: how many of its bytes are whole records.
        records: how many records those are.
        untaken: what has not been handed to the sender.
        in_flight: how many records the sender has.
        read_at: where the first record begins that has not been handed out.
        read_sequence: the sequence of the record before that.
        is_booked: whether its records are in the books; those of a dead process are not at first.
        has_detail: whether it may hold candidates that could be dropped to make room.
        is_foreign: a later version of X-Ray wrote it.
        failed_reads: how often it could not be read.
        retry_at_s: when it may be tried again.
    """

    number: int
    path: Path
    size: int = 0
    records: int = 0
    untaken: Volume = field(default_factory=Volume)
    in_flight: int = 0
    read_at: int = 0
    read_sequence: int = 0
    is_booked: bool = True
    has_detail: bool = True
    is_foreign: bool = False
    failed_reads: int = 0
    retry_at_s: float = 0.0
    _first_sequences: list[int] = field(default_factory=list)
    _first_numbers: list[int] = field(default_factory=list)

    def note_append(self, parcels: Sequence[Parcel], size: int) -> None:
        """*parcels* were written and took *size* bytes."""
        expected = -1
        for sequence, parcel in enumerate(parcels, self.records + 1):
            if parcel.number != expected:
                self._first_sequences.append(sequence)
                self._first_numbers.append(parcel.number)
            expected = parcel.number + 1
        self.size += size
        self.records += len(parcels)
        self.untaken += Volume(len(parcels), sum(parcel.decisions for parcel in parcels))

    def number_of(self, sequence: int) -> int | None:
        """The number of the parcel at *sequence*; None where another process wrote it."""
        if not self._first_numbers:
            return None
        place = bisect_right(self._first_sequences, sequence) - 1
        return self._first_numbers[place] + sequence - self._first_sequences[place]

    def start_over(self, parcels: Sequence[Parcel], size: int) -> None:
        """The file was replaced by one that holds only *parcels*, none of them handed out."""
        self._first_sequences.clear()
        self._first_numbers.clear()
        self.size = self.records = self.read_at = self.read_sequence = 0
        self.untaken = Volume()
        self.note_append(parcels, size)

    @property
    def lowest_number(self) -> int | None:
        """The first number above 0 that was not handed out; None when all were."""
        if not self.untaken.records:
            return None
        following = self.number_of(self.read_sequence + 1)
        if following is not None and following > 0:
            return following
        place = bisect_right(self._first_sequences, self.read_sequence + 1)
        return next((number for number in self._first_numbers[place:] if number > 0), None)

    @property
    def is_spent(self) -> bool:
        """Whether nothing in it is wanted any more."""
        return self.is_booked and not self.untaken.records and not self.in_flight
