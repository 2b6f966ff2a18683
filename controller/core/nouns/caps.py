"""The caps of a prune, in the terms of the reference host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from agent.wire.profile import Runtime

N = TypeVar("N", int, float)


def _tighter(one: N | None, other: N | None) -> N | None:
    return other if one is None else one if other is None else min(one, other)


@dataclass(frozen=True, slots=True)
class Caps:
    """What a prune job is asked to stay under, run by `runtime`: an envelope in the reference host's terms. None is
    unlimited."""

    ram_bytes: int | None = None
    storage_bytes: int | None = None
    latency_s: float | None = None
    runtime: Runtime = Runtime.ONNXRUNTIME

    def meet(self, other: Caps) -> Caps:
        """The tighter one of each cap: what is under it is under both."""
        return replace(
            self,
            ram_bytes=_tighter(self.ram_bytes, other.ram_bytes),
            storage_bytes=_tighter(self.storage_bytes, other.storage_bytes),
            latency_s=_tighter(self.latency_s, other.latency_s),
        )

    def covers(self, other: Caps) -> bool:
        """What is under `other` is under these too: none of these is tighter, and the runtime is the same."""
        pairs = zip(self._figures, other._figures, strict=True)
        return self.runtime == other.runtime and all(
            mine is None or (its is not None and its <= mine) for mine, its in pairs
        )

    def near(self, tighter: Caps, share: float) -> bool:
        """`tighter` is under these caps, and each of its caps is at least `share` of the one here."""
        pairs = zip(self._figures, tighter._figures, strict=True)
        return self.covers(tighter) and all(
            mine is not None and its is not None and its >= mine * share for mine, its in pairs if mine != its
        )

    @property
    def _figures(self) -> tuple[float | None, ...]:
        return self.ram_bytes, self.storage_bytes, self.latency_s

    @property
    def key(self) -> str:
        """Equal caps have equal keys, and share one variant."""
        ram = "-" if self.ram_bytes is None else self.ram_bytes
        storage = "-" if self.storage_bytes is None else self.storage_bytes
        latency = "-" if self.latency_s is None else f"{self.latency_s * 1e6:.0f}us"
        runtime = "" if self.runtime is Runtime.ONNXRUNTIME else f" runtime={self.runtime}"
        return f"ram={ram} storage={storage} latency={latency}{runtime}"
