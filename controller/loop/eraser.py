"""Takes away what the broker retains of devices that were forgotten, until the broker has confirmed that it did."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable

from agent.link import Link
from agent.wire.topics import RETAINED, topic
from controller.loop.facts import Erased

_IN_FLIGHT = 8  # devices, four messages each: nothing waits for it


class Eraser:
    """An empty retained message erases the one before it (MQTT 3.1.1, 3.3.1.3). What was not confirmed when the link
    broke is sent again."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting = deque[str]()
        self._devices, self._left = dict[int, str](), Counter[str]()
        self._erased = list[str]()

    def erase(self, devices: Iterable[str]) -> None:
        self._waiting.extend(devices)

    def link_lost(self) -> None:
        self._waiting.extend(self._left)
        self._devices.clear()
        self._left.clear()

    def delivered(self, token: int) -> None:
        device = self._devices.pop(token, None)
        if device is not None:
            self._left[device] -= 1
            if not self._left[device]:
                del self._left[device]
                self._erased.append(device)

    def go_on(self, known: Container[str], erased: Callable[[Erased], None]) -> None:
        """Send what may be sent now; `erased` hears of whom the broker retains nothing any more.

        A device that is `known` again says for itself what the broker is to retain.
        """
        while self._erased:
            erased(Erased(self._erased.pop()))
        while self._waiting and len(self._left) < _IN_FLIGHT:
            if self._waiting[0] not in known and not self._sent(self._waiting[0]):
                return
            self._waiting.popleft()

    def _sent(self, device: str) -> bool:
        """False where the link took less than all: then all of it is sent again later."""
        tokens = [self._link.publish(topic(device, leaf), b"", retain=True) for leaf in sorted(RETAINED)]
        taken = [each for each in tokens if each is not None]
        if len(taken) < len(tokens):
            return False
        self._left[device] += len(taken)
        self._devices.update(dict.fromkeys(taken, device))
        return True
