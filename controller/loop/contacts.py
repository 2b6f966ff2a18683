"""What was heard of each device's connection, and who is there by that: counted as it moves.

Most of it moves by messages. That a device has been silent for too long is found when its moment comes, and not by
going past all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from controller.core.policy import Policy
from controller.core.presence import NEVER, Contact, Presence, patience_s, presence
from controller.loop.timers import Timers


class Contacts:
    """For the loop's thread; `get` is for any. Moments are of the steady clock.

    `moved` are those whose presence has changed, by a message, by time alone or with our own link; whoever has told of
    them clears it.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known, self._timers = dict[str, Contact](), Timers()
        self._there, self._counts = dict[str, Presence](), Counter[Presence]()
        self.moved = dict[str, None]()

    def get(self, device: str) -> Contact:
        return self._known.get(device, NEVER)

    def put(self, heard: Mapping[str, Contact], now_s: float) -> None:
        """What was last heard of these."""
        self._known.update(heard)
        for device in heard:
            self._move(device, now_s)

    def lose(self) -> None:
        """Nothing that was heard says anything any more."""
        self.moved.update(dict.fromkeys(each for each, there in self._there.items() if there is not Presence.UNKNOWN))
        self._known.clear()
        self._there.clear()
        self._counts.clear()
        self._timers = Timers()

    def forget(self, device: str) -> None:
        self._known.pop(device, None)
        self.moved.pop(device, None)
        self._counts[self._there.pop(device, Presence.UNKNOWN)] -= 1

    def tick(self, now_s: float) -> None:
        """Who has been silent for too long by now is quiet."""
        for device in [*self._timers.due(now_s)]:
            if device in self._known:
                self._move(device, now_s)

    def figures(self, devices: int) -> dict[str, int]:
        """How many of so many devices are there, by the names that `health` has them under."""
        counts = {each: self._counts[each] for each in Presence}
        counts[Presence.UNKNOWN] = 0
        counts[Presence.UNKNOWN] = max(devices - sum(counts.values()), 0)  # also those of whom nothing was heard
        return {f"devices_{each}": count for each, count in counts.items()}

    def _move(self, device: str, now_s: float) -> None:
        """Count it as what it is by now."""
        contact, before = self._known[device], self._there.get(device, Presence.UNKNOWN)
        there = presence(contact, self._policy, now_s)
        if there is Presence.ONLINE:
            self._timers.at(device, contact.live_s + patience_s(contact, self._policy))
        if there is not before:
            self._there[device] = there
            self._counts[there] += 1
            self._counts[before] -= 1
            self.moved[device] = None
