"""The smallest variant of a model: made once, when caps turn out too tight even for it.

By what it measures an operator learns what the caps would have to give; or that nothing so small is accurate enough.
"""

from __future__ import annotations

from controller.core.types import Variant
from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.bench import Bench
from controller.pruning.graph.structure import Structure
from controller.pruning.recovery import recover_stage
from controller.pruning.spec import terms
from controller.pruning.stage import Stage
from controller.pruning.variant import Origin, make_variant


def smallest_variant(bench: Bench, stage: Stage, structure: Structure) -> Variant | str:
    """The variant of the smallest `structure`, cut from `stage`; or why it is kept out. Raises what the steps raise."""
    asked = f"smallest seed={bench.seed} {terms(bench.model.spec)}"
    kin, refusal = bench.made_for(asked, "fp32"), bench.shelf.refusal(asked, bench.data_sha256)
    if kin is not None:
        return kin.variant
    if refusal is not None:
        return refusal
    module = stage.cut_soundly(bench, structure)
    recovered = recover_stage(bench, module, bench.model.spec.recovery, 0.93, 0.98)
    module = module if recovered is None else recovered.module
    built = bench.build(module, "fp32", *THOROUGH)
    origin = Origin(module, structure, "fp32", asked, stage.parent, stage.trained.and_by(recovered))
    variant, verdict = make_variant(bench, origin, built)
    if not verdict.passed:
        reason = f"the smallest structure, recovered: {verdict.reason}"
        bench.shelf.put_refusal(asked, bench.data_sha256, reason)
        return reason
    bench.shelf.put(built.artifact, variant, structure, module)
    return variant
