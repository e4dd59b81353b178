"""Names looked for in what is stored: as values of their own, as words of longer texts, as bytes.

A name is found in a record where a value is the name, or where it stands in a longer text with no
letter or digit right beside it: `order-7` is not looked for in `order-77`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from xray.model.forgetting import MAX_SHOWN, NameSearch, Trace

MIN_RAW_BYTES: Final = 6
"""A name that is shorter is found in any bytes by chance."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Name:
    """One name in every form in which it may be stored."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.word = re.compile(rf"(?<![^\W_]){re.escape(text)}(?![^\W_])")
        plain = text.encode("utf-8", "replace")
        spelled = msgspec.json.encode(text)[1:-1]
        self.spellings = tuple(dict.fromkeys((plain, spelled)))
        self.raw = bytes.fromhex(text.replace("-", "")) if _UUID.fullmatch(text) else None
        forms = self.spellings if self.raw is None else (*self.spellings, self.raw)
        self.raw_forms = tuple(form for form in forms if len(form) >= MIN_RAW_BYTES)


class Names:
    """Looks for names, and keeps what it found.

    Args:
        names: what to look for.

    Attributes:
        records: how many values of rows it saw.
        frames: how many compressed payloads.
        dictionaries: how many dictionaries.
        raw_bytes: how many bytes of files.
        files: the names of those files.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [_Name(name) for name in names if name]
        self._found: Counter[tuple[str, str, str | None, bool]] = Counter()
        self._held: set[str] = set()
        self.records = self.frames = self.dictionaries = self.raw_bytes = 0
        self.files: list[str] = []

    def note(self, name: str, where: str, run_id: str | None = None) -> None:
        """Note that *name* stands somewhere as a value of its own."""
        self._held.add(name)
        self._found[name, where, run_id, True] += 1

    def see_raw_id(self, raw: bytes | None, where: str, owner: Callable[[], str | None]) -> None:
        """Look at an id as it is stored."""
        self.records += 1
        for name in self._names:
            if raw is not None and name.raw == bytes(raw):
                self.note(name.text, where, owner())

    def see_text(self, text: str | None, where: str, owner: Callable[[], str | None]) -> None:
        """Look at a text."""
        self.records += 1
        if text:
            for name in self._names:
                self._judge(name, [text], where, owner)

    def see_json(self, text: str | None, where: str, owner: Callable[[], str | None]) -> None:
        """Look at a JSON document."""
        self.records += 1
        if text:
            self._see(text.encode("utf-8", "replace"), msgspec.json.decode, where, owner)

    def see_payload(self, payload: bytes, where: str, owner: Callable[[], str | None]) -> None:
        """Look at a msgpack document that was compressed."""
        self.frames += 1
        self._see(payload, msgspec.msgpack.decode, where, owner)

    def see_document(self, payload: bytes, where: str, owner: Callable[[], str | None]) -> None:
        """Look at a msgpack document of a row."""
        self.records += 1
        self._see(payload, msgspec.msgpack.decode, where, owner)

    def _see(
        self,
        payload: bytes,
        decode: Callable[[bytes], Any],
        where: str,
        owner: Callable[[], str | None],
    ) -> None:
        opened: list[str] | None = None
        for name in self._names:
            if any(form in payload for form in name.spellings):
                if opened is None:
                    opened = list(_walk_texts(decode(payload)))
                self._judge(name, opened, where, owner)

    def _judge(
        self, name: _Name, texts: Iterable[str], where: str, owner: Callable[[], str | None]
    ) -> None:
        is_word = False
        for text in texts:
            if name.text not in text:
                continue
            # Whoever finds its bytes in the file knows where they belong.
            self._held.add(name.text)
            if text == name.text:
                self.note(name.text, where, owner())
                return
            is_word = is_word or name.word.search(text) is not None
        if is_word:
            self._found[name.text, where, owner(), False] += 1

    def see_dictionary(self, data: bytes) -> None:
        """Look at a dictionary, after all records."""
        self.dictionaries += 1
        self.see_raw(data, "a dictionary of the compression")

    def see_raw(self, data: bytes, where: str) -> None:
        """Look at bytes that are no record, once all records were seen."""
        for name in self._names:
            if name.text not in self._held and any(form in data for form in name.raw_forms):
                self._found[name.text, where, None, True] += 1

    @property
    def texts(self) -> list[str]:
        """The names."""
        return [name.text for name in self._names]

    @property
    def overlap_bytes(self) -> int:
        """How many bytes two pieces must share so that no name is cut between them."""
        return max((len(form) for name in self._names for form in name.raw_forms), default=1) - 1

    def conclude(self) -> NameSearch:
        """What was looked through, and what was found."""
        traces = [
            Trace(name=name, where=where, run_id=run_id, is_whole=is_whole, count=count)
            for (name, where, run_id, is_whole), count in self._found.items()
        ]
        traces.sort(key=lambda trace: not trace.is_whole)
        return NameSearch(
            records=self.records,
            frames=self.frames,
            dictionaries=self.dictionaries,
            raw_bytes=self.raw_bytes,
            files=self.files,
            traces=traces[:MAX_SHOWN],
            unsearched=[name.text for name in self._names if not name.raw_forms]
            if self.files
            else [],
        )


def _walk_texts(value: object) -> Iterator[str]:
    """Every text in *value*, names of fields included."""
    waiting: list[object] = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
