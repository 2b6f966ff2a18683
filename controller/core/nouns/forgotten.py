"""What is left of a device that was forgotten."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """A device that comes again under this name obeys nothing at or below (`epoch`, `seq`), the highest that it was
    given or reported. `cleared`: the broker has confirmed that it retains nothing of it any more."""

    device: str
    epoch: int = 0
    seq: int = 0
    cleared: bool = False
    forgotten_unix_s: float = 0.0

    @property
    def mark(self) -> tuple[int, int]:
        return self.epoch, self.seq
