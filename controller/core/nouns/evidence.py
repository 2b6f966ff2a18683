"""What a variant was found to be on each sample of the gate: what two variants can be compared by, sample by sample."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from controller.core.paired import Paired

ACCURACY = "accuracy"


@dataclass(frozen=True, slots=True)
class Evidence:
    """`samples` rows of `figures` numbers each: sufficient statistics `[n, k]` of `metric`, one row a gate sample.

    Of `accuracy` k is 1, and the number says whether the answer was right. `gate` is the sha256 of the gate's samples:
    what was judged by others is not compared. `values` are the numbers row by row, a byte each, deflated, in base64.
    """

    metric: str
    gate: str
    samples: int
    figures: int
    values: str

    def comparable(self, other: Evidence) -> bool:
        return (self.metric, self.gate, self.samples) == (other.metric, other.gate, other.samples)


def right_or_not(gate: str, right: Sequence[bool]) -> Evidence:
    """The evidence of accuracy: of each sample of the `gate` whether the answer was right."""
    values = base64.b64encode(zlib.compress(bytes(map(bool, right)), 9)).decode()
    return Evidence(ACCURACY, gate, len(right), 1, values)


def paired(before: Evidence, after: Evidence) -> Paired | None:
    """`after` against `before` on the same samples; None where they cannot be compared so."""
    if not before.comparable(after) or before.metric != ACCURACY:
        return None
    was, became = _bits(before.values), _bits(after.values)
    return Paired(before.samples, lost=(was & ~became).bit_count(), won=(became & ~was).bit_count())


@lru_cache(maxsize=512)
def _bits(values: str) -> int:
    """One bit a sample, set where it was right."""
    digits = zlib.decompress(base64.b64decode(values)).translate(bytes.maketrans(b"\0\1", b"01"))
    return int(digits or b"0", 2)
