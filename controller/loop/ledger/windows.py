"""The windows that arrive in a turn; and the newest assignment of each device, which says of them what is judged."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy
from controller.core.repeats import came_before
from controller.loop import ring
from controller.loop.fleet import Fleet
from controller.loop.ledger.book import Book
from controller.loop.staged import Staged
from controller.store.marks import BOOTS, Mark


class WindowBook(Book):
    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._desired = Staged(fleet.desired)
        self._windows, self._marks = Staged(fleet.windows), Staged(fleet.marks)
        self._arrived = list[StoredWindow]()

    def windows(self, device: str) -> list[StoredWindow]:
        """The newest ones of what it was told to run, with the figures that rules read; oldest first."""
        return ring.unpacked(device, self._windows.get(device) or b"")

    def add_windows(self, device: str, boot: str, new: Iterable[StoredWindow]) -> list[StoredWindow]:
        """Of these all that did not come before are kept, and returned; those of what the device was told to run are
        judged, unless they are history."""
        desired, fresh = self._desired.get(device), self._fresh(device, boot, new)
        its = [each for each in fresh if desired is not None and each.window.sha256 == desired.sha256]
        judged = [each for each in its if not each.history]
        if fresh:
            self._arrived += fresh
            self._marks.put(device, self._marked(device, boot, fresh[-1].window.seq))
            self.woken.add(device)
        if judged:
            known = self._windows.get(device) or b""
            self._windows.put(device, ring.newest(known + ring.packed(judged), self.policy.windows_seen))
        return fresh

    def _fresh(self, device: str, boot: str, windows: Iterable[StoredWindow]) -> list[StoredWindow]:
        found, newest = list[StoredWindow](), dict(self._marks.get(device) or ()).get(boot)
        for each in windows:
            if newest is None or not came_before(each.window.seq, newest):
                found.append(each)
                newest = each.window.seq
        return found

    def _marked(self, device: str, boot: str, seq: int) -> tuple[Mark, ...]:
        """The marks of a device once this window came, too."""
        others = [each for each in self._marks.get(device) or () if each[0] != boot]
        return (*others, (boot, seq))[-BOOTS:]

    def _apply_windows(self) -> None:
        self._windows.apply(self._fleet.windows)
        self._marks.apply(self._fleet.marks)
