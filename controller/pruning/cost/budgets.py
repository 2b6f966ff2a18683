"""What a choice may cost, as rows that are linear in latency, weights and live bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.nouns.constraint import Constraint
from controller.pruning.cost.price import Price
from controller.pruning.cost.sizes import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Caps above 0; None is unlimited. RAM is `ram_per_weight_byte * weights + ram_per_live_byte * live`, at its peak
    over the live rows (pruning to a peak is a budget for each row, because each is linear in the widths)."""

    latency_s: float | None = None
    weights_bytes: float | None = None
    ram_bytes: float | None = None
    ram_per_weight_byte: float = 1.0
    ram_per_live_byte: float = 1.0

    def shares(self, latency_s: Floats | float, weights_bytes: Floats | float, live_bytes: Floats) -> Floats:
        """`[..., budgets]`: each cost in shares of its cap, RAM once a live row; `live_bytes` is `[..., rows]`.

        Linear, so that changes of cost give changes of share.
        """
        latency, weights = np.asarray(latency_s, float)[..., None], np.asarray(weights_bytes, float)[..., None]
        parts = [np.zeros((*latency.shape[:-1], 0))]
        if self.latency_s is not None:
            parts.append(latency / self.latency_s)
        if self.weights_bytes is not None:
            parts.append(weights / self.weights_bytes)
        if self.ram_bytes is not None:
            live = live_bytes if live_bytes.shape[-1] else np.zeros_like(weights)
            parts.append((self.ram_per_weight_byte * weights + self.ram_per_live_byte * live) / self.ram_bytes)
        return np.concatenate(parts, -1)

    def use(self, price: Price) -> tuple[Constraint, float]:
        """The budget that is used most, and its share; `(NONE, 0)` without budgets."""
        shares = self.shares(price.latency_s, price.weights_bytes, price.live_bytes)
        if not len(shares):
            return Constraint.NONE, 0.0
        most = int(shares.argmax())
        capped = [(Constraint.DEADLINE, self.latency_s), (Constraint.STORAGE, self.weights_bytes)]
        names = [name for name, cap in capped if cap is not None]
        return names[most] if most < len(names) else Constraint.RAM_MODEL, float(shares[most])
