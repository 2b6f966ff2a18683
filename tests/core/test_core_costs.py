"""Costs against caps: arithmetic that needs no model."""

from __future__ import annotations

import pytest

from controller.core.costs import Costs, binding
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint


def test_binding_names_the_cap_that_is_used_most() -> None:
    costs, caps = Costs(ram_bytes=30_000, storage_bytes=12_000, latency_s=1e-3), Caps(40_000, None, 1.1e-3)
    assert binding(costs, caps) == (Constraint.DEADLINE, pytest.approx(1e-3 / 1.1e-3))
    assert binding(costs, Caps()) == (Constraint.NONE, 0.0)


def test_nothing_fits_a_cap_of_nothing() -> None:
    costs = Costs(ram_bytes=1.0, storage_bytes=2.0, latency_s=3.0)
    assert binding(costs, Caps(ram_bytes=0)) == (Constraint.RAM_MODEL, float("inf"))
