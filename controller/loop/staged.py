"""Facts of one kind as they will be once the turn is committed: what is known, with what is new laid over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Staged(Generic[K, V]):
    """Over `known`, which nothing here changes. `new` has what was put since, None for what is gone."""

    def __init__(self, known: Mapping[K, V]) -> None:
        self._known = known
        self.new: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        return self.new[key] if key in self.new else self._known.get(key)

    def put(self, key: K, value: V) -> None:
        self.new[key] = value

    def drop(self, key: K) -> None:
        self.new[key] = None

    def values(self) -> Iterator[V]:
        for key, value in self._known.items():
            if key not in self.new:
                yield value
        yield from self.written()

    def written(self) -> list[V]:
        """What was put and is still there."""
        return [value for value in self.new.values() if value is not None]

    def dropped(self) -> list[K]:
        """The keys of what is gone."""
        return [key for key, value in self.new.items() if value is None]

    def apply(self, known: dict[K, V]) -> None:
        """Make `known` what this says."""
        for key, value in self.new.items():
            if value is None:
                known.pop(key, None)
            else:
                known[key] = value
