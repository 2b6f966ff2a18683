"""The residual network's data with half of the gate: choices are made on it, and judged on the other half."""

from __future__ import annotations

from controller.pruning.model.data import Data, Split
from controller.zoo import residual


def chosen_on() -> Data:
    """What the controller is given: its gate is the first half."""
    data = residual.data()
    return Data(data.train, data.select, _half(data.gate, 0))


def judged_on() -> Split:
    """What nothing was chosen on."""
    return _half(residual.data().gate, 1)


def _half(gate: Split, which: int) -> Split:
    assert gate.labels is not None
    return Split(gate.inputs[which::2], gate.labels[which::2])
