"""The estimators there are. Another one is a file of its own and a line here; jobs know them by name."""

from __future__ import annotations

from collections.abc import Mapping

from controller.pruning.estimate.estimator import Estimator
from controller.pruning.estimate.gauss_newton import gauss_newton

ESTIMATORS: Mapping[str, Estimator] = {"gauss-newton": gauss_newton}
USUAL = "gauss-newton"
