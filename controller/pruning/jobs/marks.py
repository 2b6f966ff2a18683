"""The ends of a model, its dense and its smallest structure in each precision: the marks that other times are told by.

All of them are measured in the same processes, so that what a host's minute adds to an inference is in each alike. They
are the ends of the predictions too. The smallest one's weights are of no use, so any units will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.worker.ask import TrialError
from controller.core.nouns.variant import Precision, Variant
from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.errors import ExportError, lacked_memory
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.ahead import measuring_ends
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.lab import Built, Lab
from controller.pruning.jobs.prunable import Prunable
from controller.pruning.jobs.stage import dense_stage
from controller.pruning.shelf import Kin, Marked, Marks
from controller.pruning.steps import Step

Ends = Mapping[Precision, Sequence[Built]]
"""By precision: the dense end and, where it is another, the smallest; none where the precision cannot be made."""


def known_marks(bench: Bench, dense: Kin, precision: Precision) -> tuple[Marked, ...]:
    """Those of the ends in this precision, the slow one first; none where it cannot be made.

    They are measured anew where another release left the dense variant. Raises `ExportError`, `TrialError`.
    """
    known = bench.shelf.marks(precision, dense)
    if known is None:
        bench.steps.enter(Step.SMALLEST, measuring_ends(bench))
        put_ends(bench, measure_ends(bench), dense.variant)
        known = bench.shelf.marks(precision, dense)
    if known is None:
        raise ExportError(f"{bench.model.spec.ref} could not be made in {precision} this time")
    return known.marks


def measure_ends(bench: Bench) -> Ends:
    """Without those of a precision that fails here and now. Raises `ExportError`, `TrialError` in fp32."""
    made = _artifacts(bench)
    try:
        return _measured(bench.lab, made)
    except TrialError:
        if len(made) == 1:
            raise
        return _measured(bench.lab, {Precision.FP32: made[Precision.FP32]})


def put_ends(bench: Bench, ends: Ends, dense: Variant) -> None:
    """As what times are told by from now on, in proportion to the variant `dense`."""
    dense_s = ends[Precision.FP32][0].measured.latency_p50_s
    for precision, found in ends.items():
        marks = tuple(Marked(each.sha256, each.measured.latency_p50_s / dense_s) for each in found)
        for end, built, mark in zip(_structures(bench.prunable), found, marks, strict=False):
            costs = replace(built.measured.costs, latency_s=mark.share * dense.latency_p95_s)
            bench.costing.note(end, precision, costs)
            bench.shelf.put_mark(built.artifact, built.sha256)
        bench.shelf.put_marks(precision, Marks(dense.sha256, marks))


def _structures(prunable: Prunable) -> tuple[Structure, ...]:
    widest, least = prunable.whole, prunable.smallest
    return (widest,) if least == widest else (widest, least)


def _artifacts(bench: Bench) -> dict[Precision, list[bytes]]:
    plain = _exported(bench)
    made: dict[Precision, list[bytes]] = {Precision.FP32: plain}
    for precision in bench.lab.precisions[1:]:
        try:
            made[precision] = [bench.lab.converted(each, precision) for each in plain]
        except MemoryError:
            continue
        except ExportError as error:
            if not lacked_memory(error):  # what is put down as not to be made holds for good
                made[precision] = []
    return made


def _exported(bench: Bench) -> list[bytes]:
    """In fp32; a smallest end that cannot be exported is no reason to refuse the model itself."""
    whole, stage = bench.lab.export(bench.model.module, Precision.FP32), dense_stage(bench.prunable)
    try:
        smaller = [stage.cut(bench.prunable, each) for each in _structures(bench.prunable)[1:]]
        return [whole, *(bench.lab.export(each, Precision.FP32) for each in smaller)]
    except ExportError as error:
        if lacked_memory(error):
            raise
        return [whole]


def _measured(lab: Lab, made: Mapping[Precision, Sequence[bytes]]) -> Ends:
    built = iter(lab.together([each for artifacts in made.values() for each in artifacts], *THOROUGH))
    return {precision: [next(built) for _ in artifacts] for precision, artifacts in made.items()}
