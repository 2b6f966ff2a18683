"""What a prune still has to do, step by step, and how much work each step is."""

from __future__ import annotations

from collections.abc import Iterator

from controller.core.nouns.model import Recovery
from controller.core.nouns.variant import Precision
from controller.pruning.estimate.estimator import sample_count
from controller.pruning.jobs.bench import Bench
from controller.pruning.steps import Ahead, Step

_A_PRUNES_RUNS = 160.0  # a measurement's runs are as long as its processes' start where one takes 1/160 of a second


def prune_ahead(bench: Bench) -> list[Ahead]:
    """As far as it can be told before: what is on the shelf is not made again, and one structure is the right one."""
    before = [*_measured_before(bench), *_estimated(bench), Ahead(Step.PRICING)]
    return [*before, Ahead(Step.CHOOSING, measuring(bench)), *made_ahead(bench, epochs_of(bench.model.spec.recovery))]


def epochs_of(budget: Recovery) -> float:
    """Those of the budget; of one in CPU time the number is not known before, and taken for one."""
    return 1.0 if budget.epochs is None else budget.epochs


def dense_ahead(bench: Bench) -> Iterator[Ahead]:
    yield Ahead(Step.DENSE, measuring_ends(bench))
    yield Ahead(Step.PRICING)
    yield Ahead(Step.JUDGING, judging(bench))


def made_ahead(bench: Bench, epochs: float) -> Iterator[Ahead]:
    """From a structure to its variant."""
    if bench.model.data is not None and epochs:
        yield Ahead(Step.RECOVERING, recovering(bench, epochs))
    yield Ahead(Step.SHIPPING, measuring(bench))
    yield Ahead(Step.JUDGING, judging(bench))


def measuring(bench: Bench) -> float:
    """An artifact: 1 for one that takes no time, more where its inferences are long."""
    dense = bench.shelf.dense()
    return 1.0 + _A_PRUNES_RUNS * (bench.pass_s if dense is None else dense.variant.latency_p50_s)


def measuring_ends(bench: Bench) -> float:
    """The dense and the smallest artifact together, in each precision."""
    return len(bench.lab.precisions) * measuring(bench)


def recovering(bench: Bench, epochs: float) -> float:
    """In seconds of the dense model's own passes."""
    assert bench.model.data is not None
    return bench.pass_s * epochs * len(bench.model.data.train.inputs)


def judging(bench: Bench) -> float:
    samples = 0 if bench.model.data is None else len(bench.model.data.gate.inputs)
    return 1.0 + bench.pass_s * samples


def estimated_by(bench: Bench) -> str:
    """What an estimate hangs on beside the model: the data, the seed and who made it."""
    return f"{(bench.data_sha256 or '')[:16]}-{bench.seed}-{bench.estimator}"


def _measured_before(bench: Bench) -> Iterator[Ahead]:
    dense = bench.shelf.dense()
    if dense is None or not bench.judged_by(dense):
        yield from dense_ahead(bench)
    elif bench.shelf.marks(Precision.FP32, dense) is None:
        yield Ahead(Step.SMALLEST, measuring_ends(bench))


def _estimated(bench: Bench) -> Iterator[Ahead]:
    if bench.model.data is not None and bench.shelf.curves(estimated_by(bench)) is None:
        yield Ahead(Step.ESTIMATING, estimating(bench))


def estimating(bench: Bench) -> float:
    assert bench.model.data is not None
    return bench.pass_s * sample_count(bench.model.data.train.inputs, bench.prunable.flops)
