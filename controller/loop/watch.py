"""Who is to be looked at: at once, when its moment comes, or after all others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from controller.loop.timers import Timers

_ONE_IN = 4


class Watch:
    """Devices by id. `later` is for what concerns many, such as a new variant: those are looked at in slices, in order,
    behind whom something just happened to; but one of them in four looks, however much happens."""

    def __init__(self) -> None:
        self._now, self._later = OrderedDict[str, None](), OrderedDict[str, None]()  # a dict's first key costs a search
        self._timers, self._taken = Timers(), 0

    def forget(self) -> None:
        """Nobody is awake, and nobody's moment is known."""
        self._now.clear()
        self._later.clear()
        self._timers = Timers()

    def wake(self, devices: Iterable[str]) -> None:
        self._now.update(dict.fromkeys(devices))

    def wake_later(self, devices: Iterable[str]) -> None:
        self._later.update(dict.fromkeys(each for each in devices if each not in self._later))

    def at(self, device: str, due_unix_s: float) -> None:
        self._timers.at(device, due_unix_s)

    def tick(self, now_unix_s: float) -> None:
        """Wake those whose moment has come."""
        self.wake(self._timers.due(now_unix_s))

    def take(self) -> str | None:
        """The next device, and no longer awake."""
        self._taken += 1
        turns = (self._later, self._now) if self._taken % _ONE_IN == 0 else (self._now, self._later)
        for awake in turns:
            if awake:
                device, _ = awake.popitem(last=False)
                self._now.pop(device, None)
                self._later.pop(device, None)
                return device
        return None

    def is_awake(self, device: str) -> bool:
        return device in self._now or device in self._later

    @property
    def waiting_later(self) -> bool:
        """Some of those who were woken for later are still to be looked at."""
        return bool(self._later)

    @property
    def busy(self) -> bool:
        """Somebody is still to be looked at."""
        return bool(self._now or self._later)
