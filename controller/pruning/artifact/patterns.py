"""Operators that were written out one by one, for which the runtime has a single kernel.

A hard sigmoid of a scale, an add and a clip takes three passes over its tensor, and the convolutions beside it cannot
hand on the layout that they work in. The rewriting is onnxscript's, and so are the rules for a hard swish.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnxscript import ir
from onnxscript.rewriter import pattern, rewrite
from onnxscript.rewriter.rules.common import fuse_hardswish_rules


class _HardSigmoid(pattern.RewriteRuleClassBase):  # type: ignore[misc]  # onnxscript has no types
    """Clip(scale * x + offset, 0, 1) is HardSigmoid (ONNX operators, HardSigmoid-6), whatever the two numbers are."""

    def pattern(self, op: Any, x: Any, scale: Any, offset: Any, low: Any, high: Any) -> Any:
        return op.Clip(x * scale + offset, low, high)

    def check(self, _context: Any, scale: Any, offset: Any, low: Any, high: Any, **_: Any) -> Any:
        result, numbers = pattern.MatchResult(), [_number(each) for each in (scale, offset, low, high)]
        if None in numbers or numbers[2:] != [0.0, 1.0]:
            return result.fail("a hard sigmoid is clipped to 0 and 1, and all four are constant numbers")
        return result

    def rewrite(self, op: Any, x: Any, scale: Any, offset: Any, **_: Any) -> Any:
        return op.HardSigmoid(x, alpha=_number(scale), beta=_number(offset))


def _number(value: Any) -> float | None:
    """The one number of a constant; None of what is no constant, or has several."""
    constant = ir.convenience.get_const_tensor(value)
    if constant is None or constant.size != 1:
        return None
    return float(np.asarray(constant.numpy()).reshape(()))


_RULES = pattern.RewriteRuleSet([*fuse_hardswish_rules().rules, _HardSigmoid.rule()], commute=True)


def with_kernels(model: ir.Model) -> ir.Model:
    """`model` with single operators where it has patterns of them; answers differ by rounding alone."""
    rewritten: ir.Model = rewrite(model, _RULES)
    return rewritten
