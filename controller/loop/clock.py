"""The controller's clock: Unix seconds that pass as the host's seconds do, whatever is done to the host's clock.

Every stamp in the database is taken by it, so that the difference of two stamps is the time that passed. What people
see should be right too, and the host's clock may be corrected at any time: a board without a battery starts in 1970
and hears from NTP minutes later, a virtual machine is restored, someone mistypes a date. So this clock never jumps by
itself; where the host's has jumped, `step_s` tells by how much, and the loop moves the stamps that durations are still
measured from (`StampRows.restamp`) and this clock (`step`) together. Shown times are right from then on, and each
deadline ends when it would have ended. A turn or two later than the jump is soon enough.

A host's clock that has gone back by a day or more is believed only where something keeps it (NTP): otherwise it was
lost, and to follow it to 1970 would put years of history out of order.
"""

from __future__ import annotations

from collections.abc import Callable

JUMP_S = 2.0
"""Less is a leap second or the reading itself; NTP makes up for that without a jump."""
LOST_S = 86_400.0


class Clock:
    """It goes on within a boot of the host as if there had been no restart; after another boot with the host's clock.

    `memory` is what the last one told, `newest_unix_s` the newest stamp: time does not go back over a restart. `kept`
    says whether something keeps the host's clock. `now` may be called from any thread; `step` is the loop's.
    """

    def __init__(
        self,
        memory: str | None,
        newest_unix_s: float,
        *,
        boot: str,
        wall: Callable[[], float],
        steady: Callable[[], float],
        kept: Callable[[], bool],
    ) -> None:
        self._boot, self._wall, self._steady, self._kept = boot, wall, steady, kept
        then, _, zero = (memory or "").partition(" ")
        start = float(zero) + steady() if boot and then == boot else wall()
        self._zero_unix_s = max(start, newest_unix_s) - steady()

    def memory(self, step_s: float = 0.0) -> str:
        """For the next start: the host's boot, and when that was by this clock, once `step_s` is made."""
        return f"{self._boot} {self._zero_unix_s + step_s!r}"

    def now(self) -> float:
        """Unix seconds."""
        return self._zero_unix_s + self._steady()

    def steady_s(self) -> float:
        """For what is only kept in memory: it knows no steps at all."""
        return self._steady()

    def step_s(self) -> float:
        """How far the host's clock has jumped away from this one, below 0 where it went back; 0 where it has not.

        The host's is read between two readings of this one, so that a pause of the process is no jump.
        """
        before, wall, after = self.now(), self._wall(), self.now()
        step_s = max(wall - after, 0.0) or min(wall - before, 0.0)
        if abs(step_s) < JUMP_S or (step_s <= -LOST_S and not self._kept()):
            return 0.0
        return step_s

    def step(self, step_s: float) -> None:
        self._zero_unix_s += step_s
