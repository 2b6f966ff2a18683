"""The figures of a calibration, each with its source and age; and how far windows must fall short to contradict one."""

from __future__ import annotations

from dataclasses import replace

from controller.core.nouns.calibration import Calibration, Learned
from controller.core.nouns.variant import Variant

FIGURES = ("slowness", "ram_base_bytes", "ram_extra_bytes", "ambient_celsius", "busy_watts")
TRIAL, WINDOWS = "trial", "windows"

_AMBIENT_MARGIN_CELSIUS = 2.0
_MARGIN = 0.2  # twice what a proven variant may exceed a cap by, so that no fit turns on what is not contradicted


def stamped(before: Calibration, after: Calibration, *, by: str, variant: Variant, now_unix_s: float) -> Calibration:
    """`after` with source and age of every figure in which it differs from `before`, as learned on `variant`."""
    learned = dict(before.learned)
    for figure in FIGURES:
        value = getattr(after, figure)
        if value != getattr(before, figure):
            learned[figure] = _entry(figure, value, learned.get(figure, Learned()), by, variant, now_unix_s)
    return replace(after, learned=learned)


def least(figure: str, value: float, variant: Variant) -> float:
    """What windows of `variant` must explain at least to agree with `value`; below it they contradict."""
    match figure:
        case "ambient_celsius":
            return value - _AMBIENT_MARGIN_CELSIUS
        case "ram_extra_bytes":  # the extra alone may be next to nothing; what counts is all that the variant takes
            return (variant.ram_bytes + value) * (1.0 - _MARGIN) - variant.ram_bytes
        case _:
            return value * (1.0 - _MARGIN)


def _entry(figure: str, value: float, old: Learned, by: str, variant: Variant, now_unix_s: float) -> Learned:
    """What was refuted and is learned once more counts: the next time it takes longer to refute.

    Every incident that raises it counts, be it to less than before; of the trials those that bring the old value back.
    """
    back = old.refuted is not None and (by != TRIAL or value >= least(figure, old.refuted, variant))
    return Learned(
        by=by,
        learned_unix_s=now_unix_s,
        sha256=variant.sha256,
        suspect=by != TRIAL,
        refuted=None if back else old.refuted,
        again=old.again + back,
    )
