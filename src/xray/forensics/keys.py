"""What decisions of a step are about, as sets that are compared by the thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

Key = tuple[str | None, str]
"""What one decision of a step is about: (`by`, candidate id)."""


class Keys(AbstractSet[Key]):
    """A set of keys; where none has a `by`, it is no more than a set of candidate ids.

    Nearly all are of that kind, and so take no object a key, which the collector would visit.

    Args:
        ids: the candidates.
        pairs: the keys themselves, where some of them have a `by`.
    """

    __slots__ = ("_pairs", "ids")

    def __init__(
        self, ids: frozenset[str] = frozenset(), pairs: frozenset[Key] | None = None
    ) -> None:
        self.ids = ids
        self._pairs = pairs

    @classmethod
    def of(cls, keys: Iterable[Key]) -> Keys:
        """The set of *keys*."""
        pairs = frozenset(keys)
        ids = frozenset(candidate_id for _, candidate_id in pairs)
        return cls(ids, pairs if any(by is not None for by, _ in pairs) else None)

    @classmethod
    def _from_iterable(cls, it: Iterable[Key]) -> Keys:  # type: ignore[override]
        return cls.of(it)

    @property
    def has_partitions(self) -> bool:
        """Whether some of the keys have a `by`."""
        return self._pairs is not None

    def __len__(self) -> int:
        return len(self.ids if self._pairs is None else self._pairs)

    def __iter__(self) -> Iterator[Key]:
        if self._pairs is not None:
            return iter(self._pairs)
        return ((None, candidate_id) for candidate_id in self.ids)

    def __contains__(self, key: object) -> bool:
        if self._pairs is not None:
            return key in self._pairs
        return isinstance(key, tuple) and len(key) == 2 and key[0] is None and key[1] in self.ids

    def __sub__(self, others: AbstractSet[object]) -> Keys:
        if not self or not others:
            return self
        if self._pairs is None and isinstance(others, Keys) and not others.has_partitions:
            return Keys(self.ids - others.ids)
        return Keys.of(key for key in self if key not in others)

    def __and__(self, others: AbstractSet[object]) -> Keys:
        if self._pairs is None and isinstance(others, Keys) and not others.has_partitions:
            return Keys(self.ids & others.ids)
        return Keys.of(key for key in self if key in others)

    def has(self, candidate_id: str) -> bool:
        """Whether some key is about the candidate."""
        return candidate_id in self.ids

    def without(self, others: Keys) -> Keys:
        """The keys that *others* lacks; by candidate alone where only one side has `by`."""
        if self.has_partitions == others.has_partitions:
            return self - others
        return Keys.of(key for key in self if key[1] not in others.ids)

    def within(self, others: Keys) -> Keys:
        """The keys that *others* has too; by candidate alone where only one side has `by`."""
        if self.has_partitions == others.has_partitions:
            return self & others
        return Keys.of(key for key in self if key[1] in others.ids)

    def shares(self, others: Keys) -> bool:
        """Whether the two have a candidate in common."""
        if self._pairs is not None and others._pairs is not None:
            return not self._pairs.isdisjoint(others._pairs)
        return not self.ids.isdisjoint(others.ids)


def join_keys(sets: Iterable[Keys]) -> Keys:
    """The keys that are in any of *sets*."""
    sets = [keys for keys in sets if keys]
    if len(sets) == 1:
        return sets[0]
    if any(keys.has_partitions for keys in sets):
        return Keys.of(key for keys in sets for key in keys)
    return Keys(frozenset[str]().union(*(keys.ids for keys in sets)))
