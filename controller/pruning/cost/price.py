"""What a structure costs in the terms that a solver adds up; `predict` turns them into what its artifact will cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from controller.pruning.cost.sizes import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Price:
    """`latency_s` is what the tables say; `live_bytes[row]` are the activations held at each step, `[rows]`."""

    latency_s: float
    weights_bytes: float
    live_bytes: Floats

    @property
    def peak_bytes(self) -> float:
        return float(np.max(self.live_bytes, initial=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """How a price changes with each of k options of one group, the others unchanged: `[k]`, `[k]`, `[k, rows]`."""

    latency_s: Floats
    weights_bytes: Floats
    live_bytes: Floats


Marginals = Mapping[str, Change]
