"""Unstructured sparsity, as measured: single weights set to zero, every tensor as large as before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.wire.units import Unit, format_quantity

_NOISE, _RAM_NOISE_BYTES = 0.05, 2**16
"""Smaller differences of two measurements are no difference: a share, and of RAM some pages too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseSide:
    """One artifact: its share of zeros among the weights, its bytes as stored and as compressed for transfer, its cost.

    `accuracy` with its 95% interval is on the gate's data, None where there are none.
    """

    zeros_share: float
    size_bytes: int
    transfer_bytes: int
    latency_p50_s: float
    latency_p95_s: float
    ram_bytes: int
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsityReport:
    """The dense artifact beside the one with `share` of its prunable weights at zero, measured the same way.

    `compression` says what `transfer_bytes` were compressed with.
    """

    share: float
    dense: SparseSide
    sparse: SparseSide
    compression: str = ""

    @property
    def conclusion(self) -> str:
        """What the zeros buy and what not, in a sentence that follows from the figures."""
        dense, sparse = self.dense, self.sparse
        saved = {
            "bytes to transfer": 1 - sparse.transfer_bytes / dense.transfer_bytes,
            "bytes on the device": 1 - sparse.size_bytes / dense.size_bytes,
            "latency": 1 - sparse.latency_p50_s / dense.latency_p50_s,
            "RAM": _beyond_pages(dense.ram_bytes - sparse.ram_bytes) / dense.ram_bytes,
        }
        return "; ".join(_clauses(saved, self.sparse.zeros_share)) + self._accuracy()

    def _accuracy(self) -> str:
        if self.dense.accuracy is None or self.sparse.accuracy is None:
            return "; accuracy is unverified"
        points = (self.dense.accuracy - self.sparse.accuracy) * 100
        change = "loses" if points >= 0 else "gains"
        return f"; accuracy {change} {abs(points):.1f} points"


def _beyond_pages(bytes_: int) -> int:
    return bytes_ if abs(bytes_) > _RAM_NOISE_BYTES else 0


def _clauses(saved: dict[str, float], zeros: float) -> Iterator[str]:
    better = [f"{format_quantity(share, Unit.SHARE)} of the {name}" for name, share in saved.items() if share > _NOISE]
    same = [name for name, share in saved.items() if abs(share) <= _NOISE]
    worse = [f"{name} by {format_quantity(-share, Unit.SHARE)}" for name, share in saved.items() if share < -_NOISE]
    yield f"{format_quantity(zeros, Unit.SHARE)} zeros save {' and '.join(better) or 'nothing'}"
    if same:
        yield f"{', '.join(same)} {'stays' if len(same) == 1 else 'stay'} as of the dense model"
    if worse:
        yield f"they raise {' and '.join(worse)}"
