"""Since when the controller's own link to its broker is up, over restarts: time in which nobody could be heard does not
count against anybody."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_S = 60.0
"""An outage that is shorter is none: devices try again for longer, and a restart of the controller takes less."""


@dataclass(slots=True)
class Linked:
    """`since_unix_s` is None while the link is down; `before` is since when it was up until it went down, and when."""

    since_unix_s: float | None = None
    before: tuple[float, float] | None = None

    @staticmethod
    def remembered(memory: str | None) -> Linked:
        """As the last run left it, of which `memory` is."""
        since, _, until = (memory or "").partition(" ")
        return Linked(before=(float(since), float(until)) if until else None)

    def memory(self, now_unix_s: float) -> str | None:
        """For the next run; None where there is nothing new to remember."""
        return None if self.since_unix_s is None else f"{self.since_unix_s!r} {now_unix_s!r}"

    def up(self, now_unix_s: float) -> None:
        since, until = self.before or (now_unix_s, now_unix_s)
        self.since_unix_s = since if now_unix_s - until < SHORT_S else now_unix_s

    def down(self, now_unix_s: float) -> None:
        if self.since_unix_s is not None:
            self.before = self.since_unix_s, now_unix_s
        self.since_unix_s = None

    def step(self, step_s: float) -> None:
        """The clock was corrected."""
        if self.since_unix_s is not None:
            self.since_unix_s += step_s
        if self.before is not None:
            self.before = self.before[0] + step_s, self.before[1] + step_s
