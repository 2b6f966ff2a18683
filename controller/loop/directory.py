"""Which devices a selector matches, whatever the size of the fleet: by what it asks of them, and not one by one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from controller.core.nouns.device import Device, DeviceState
from controller.core.selector import Selector, terms

_Word = tuple[str, str]
_Ids = set[str] | frozenset[str]
_NOBODY: _Ids = frozenset()


class Directory:
    """Ids in order, and by each word that a selector may ask for; it says the same as `Selector.matches`."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._ids = list[str]()
        self._by_word, self._by_state = dict[_Word, set[str]](), dict[DeviceState, set[str]]()
        for each in devices:
            self._ids.append(each.id)
            self._add(each)
        self._ids.sort()

    def __eq__(self, other: object) -> bool:
        mine = self._ids, self._by_word, self._by_state
        return isinstance(other, Directory) and mine == (other._ids, other._by_word, other._by_state)

    def __hash__(self) -> int:
        return id(self)

    def move(self, known: Mapping[str, Device], new: Mapping[str, Device | None]) -> None:
        """Devices that are `known` become what is `new` of them, None for what is gone."""
        for device, after in new.items():
            before = known.get(device)
            if after is None or before is None or _filed(before) != _filed(after):
                self._move(before, after)

    def matching(self, wanted: Selector, states: Collection[DeviceState] = (), after: str = "") -> Iterator[str]:
        """Those in one of `states`, or in any, above the id `after`; in order."""
        found, above = self._found(wanted, states), islice(self._ids, bisect_right(self._ids, after), None)
        return above if found is None else (each for each in above if each in found)

    def count(self, wanted: Selector, states: Collection[DeviceState] = ()) -> int:
        found = self._found(wanted, states)
        return len(self._ids) if found is None else len(found)

    def _found(self, wanted: Selector, states: Collection[DeviceState]) -> _Ids | None:
        """None is everybody."""
        asked: list[_Ids] = [self._with(word) for word in wanted.requirements]
        if states:
            asked.append(set[str]().union(*self._those_in(states)) if len(states) > 1 else next(self._those_in(states)))
        if not asked:
            return None
        least, *others = sorted(asked, key=len)
        return least.intersection(*others) if others else least

    def _those_in(self, states: Iterable[DeviceState]) -> Iterator[_Ids]:
        return (self._by_state.get(state, _NOBODY) for state in states)

    def _with(self, word: _Word) -> _Ids:
        key, value = word
        if key != "id":
            return self._by_word.get(word, _NOBODY)
        at = bisect_left(self._ids, value)
        return frozenset(self._ids[at : at + 1]) & {value}

    def _move(self, before: Device | None, after: Device | None) -> None:
        if before is not None:
            self._remove(before)
        if after is not None:
            self._add(after)
        if before is None and after is not None:
            insort(self._ids, after.id)
        if before is not None and after is None:
            del self._ids[bisect_left(self._ids, before.id)]

    def _add(self, device: Device) -> None:
        for word in terms(device):
            self._by_word.setdefault(word, set()).add(device.id)
        self._by_state.setdefault(device.state, set()).add(device.id)

    def _remove(self, device: Device) -> None:
        for word in terms(device):
            self._by_word[word].discard(device.id)
            if not self._by_word[word]:
                del self._by_word[word]
        self._by_state[device.state].discard(device.id)
        if not self._by_state[device.state]:
            del self._by_state[device.state]


def _filed(device: Device) -> tuple[object, ...]:
    return device.state, device.device_class, device.labels
