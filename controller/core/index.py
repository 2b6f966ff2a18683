"""Which devices have which label, so that a selector finds its devices without asking each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.core.nouns.device import Device
from controller.core.selector import Selector, terms

Term = tuple[str, str]


@dataclass(slots=True)
class LabelIndex:
    """`having` are the devices by each label and class that any of them has."""

    having: dict[Term, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, devices: Iterable[Device]) -> LabelIndex:
        made = cls()
        for each in devices:
            made.move(None, each)
        return made

    def move(self, before: Device | None, after: Device | None) -> None:
        """A device was changed, added or removed."""
        if before is not None and after is not None and _alike(before, after):
            return
        old = frozenset() if before is None else terms(before)
        new = frozenset() if after is None else terms(after)
        for term in new - old:
            assert after is not None  # it has the term
            self.having.setdefault(term, set()).add(after.id)
        for term in old - new:
            assert before is not None  # it had the term
            self.having[term].discard(before.id)
            if not self.having[term]:
                del self.having[term]

    def find(self, selector: Selector, devices: Mapping[str, Device]) -> list[str]:
        """The ids of those of the `devices` that `selector` matches, in order."""
        named = [value for key, value in selector.requirements if key == "id"]
        if named:
            return [each for each in named[:1] if each in devices and selector.matches(devices[each])]
        if not selector.requirements:
            return sorted(devices)
        found = sorted((self.having.get(term, set()) for term in selector.requirements), key=len)
        return sorted(found[0].intersection(*found[1:]))


def _alike(before: Device, after: Device) -> bool:
    return before.device_class == after.device_class and before.labels == after.labels
