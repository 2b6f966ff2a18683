"""Ladder jobs in their own processes: what falls from rung to rung, what is told when, and what a kill leaves."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision, Variant
from controller.pruning.jobs.bench import open_bench
from controller.pruning.jobs.ladder import RATIO, request
from controller.pruning.shelf import Kin, Shelf
from controller.pruning.spec import load_spec, terms
from controller.pruning.steps import unheard
from tests.pruning.conftest import RUNGS, SEED, Follow, Followed, ladder_request

STRUCTURED = ("widths", "dropped_blocks", "parameters_share", "recovery_epochs", "parent", "seed", "data_sha256")


@dataclass(frozen=True)
class Ladder:
    followed: Followed
    shelf: Shelf
    spec: Path

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.followed.result.variants

    @property
    def digests(self) -> list[str]:
        return [variant.sha256 for variant in self.variants]

    def of(self, precision: str) -> list[Variant]:
        return [variant for variant in self.variants if variant.precision == precision]

    def kin(self, variant: Variant) -> Kin:
        (kin,) = self.shelf.kin((variant.sha256,))
        return kin


def climb_down(follow: Follow, spec: Path, shelf: Path, cancel_after: int | None = None) -> Ladder:
    followed = follow(ladder_request(spec, shelf), cancel_after)
    return Ladder(followed, Shelf(shelf, followed.result.model_digest), spec)


@pytest.fixture(scope="session")
def ladder(glyphs: Path, briefly: Follow, tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    return climb_down(briefly, glyphs / "low.yaml", tmp_path_factory.mktemp("ladder"))


@pytest.mark.slow
def test_each_rung_is_told_of_as_it_is_made_in_both_precisions_with_its_artifact_in_place(ladder: Ladder) -> None:
    result = ladder.followed.result
    assert result.state is JobState.DONE, result.detail
    assert tuple(ladder.followed.variants) == result.variants
    assert [variant.precision for variant in result.variants] == [Precision.FP32, Precision.INT8] * (RUNGS + 1), (
        result.detail
    )
    asked = [variant.requested for variant in result.variants]
    assert asked == ["", *[request(rung, SEED, terms(load_spec(ladder.spec))) for rung in (0, 1, 1, 2, 2)]]
    assert result.variant == result.variants[0]
    assert result.variant.dense
    for variant in result.variants:
        artifact = (ladder.shelf.folder / f"{variant.sha256}.onnx").read_bytes()
        assert hashlib.sha256(artifact).hexdigest() == variant.sha256
        assert len(artifact) == variant.size_bytes
        assert ladder.kin(variant).variant == variant


@pytest.mark.slow
def test_rungs_fall_by_the_tables_and_each_is_a_part_of_the_one_above(ladder: Ladder) -> None:
    bench = open_bench(load_spec(ladder.spec), ladder.shelf.folder, SEED, unheard())
    costs = bench.costing.pricing(Precision.FP32)
    kin = [ladder.kin(variant) for variant in ladder.of(Precision.FP32)]
    prices = [costs.price(each.structure.widths, each.structure.dropped) for each in kin]
    for rung, price in enumerate(prices):
        in_kernels = prices[0].latency_s - costs.start_s
        assert price.latency_s <= costs.start_s + in_kernels * RATIO**rung + 1e-12
    for above, below in itertools.pairwise(prices):
        assert below.latency_s < above.latency_s
        assert below.weights_bytes < above.weights_bytes
    for upper, lower in itertools.pairwise(kin):
        assert all(set(units) <= set(upper.structure.kept[root]) for root, units in lower.structure.kept.items())
        assert upper.variant.parameters > lower.variant.parameters
        assert upper.variant.size_bytes > lower.variant.size_bytes
    assert bench.costing.tables.measured == 0  # what the job timed is all that is needed, and is shared
    for plain, integers in zip(kin, ladder.of(Precision.INT8), strict=True):
        assert ladder.kin(integers).structure == plain.structure
        assert integers.size_bytes < plain.variant.size_bytes


@pytest.mark.slow
def test_the_lineage_says_where_every_variant_comes_from(ladder: Ladder) -> None:
    plain = ladder.of(Precision.FP32)
    for rung, variant in enumerate(plain):
        lineage = variant.lineage
        assert lineage["parent"] == (plain[rung - 1].sha256 if rung else None)
        assert (lineage["recovery_epochs"] > 0) == (rung > 0)  # type: ignore[operator]
    for rung, variant in enumerate(ladder.of(Precision.INT8)):
        assert variant.lineage["widths"] == plain[rung].lineage["widths"]
        assert variant.lineage["recovery_epochs"] == plain[rung].lineage["recovery_epochs"]
    for variant in ladder.variants:
        lineage, kin = variant.lineage, ladder.kin(variant)
        assert lineage["seed"] == SEED
        assert lineage["model_digest"] == ladder.followed.result.model_digest
        assert len(str(lineage["data_sha256"])) == 64
        assert lineage["versions"]["torch"] == torch.__version__  # type: ignore[index]
        full = {"0.0": 32, "1.0": 64, "3": 96}
        assert lineage["widths"] == {root: f"{width} of {full[root]}" for root, width in kin.structure.widths.items()}


@pytest.mark.slow
def test_a_ladder_that_was_killed_ends_as_one_that_was_not_and_makes_nothing_twice(
    ladder: Ladder, briefly: Follow, tmp_path: Path
) -> None:
    """The fresh shelf of the killed one also shows that the same seed makes the same bytes."""
    killed = climb_down(briefly, ladder.spec, tmp_path, cancel_after=3)
    assert killed.followed.result.state is JobState.FAILED
    assert killed.followed.result.retry
    made = [variant.sha256 for variant in killed.followed.variants]
    assert made == ladder.digests[: len(made)]
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.onnx")}
    again = climb_down(briefly, ladder.spec, tmp_path)
    assert again.digests == ladder.digests, again.followed.result.detail
    assert [variant.sha256 for variant in again.followed.variants] == ladder.digests
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.onnx")}.items()
    assert not any("rung 1 of 2: choosing" in step for step in again.followed.steps)
    assert any("rung 2 of 2: choosing" in step for step in again.followed.steps)
    for one, other in zip(again.variants, ladder.variants, strict=True):
        assert {key: one.lineage[key] for key in STRUCTURED} == {key: other.lineage[key] for key in STRUCTURED}
        assert (one.accuracy, one.drop, one.requested) == (other.accuracy, other.drop, other.requested)


@pytest.mark.slow
def test_a_finished_ladder_asked_for_again_is_told_from_the_shelf(ladder: Ladder, briefly: Follow) -> None:
    again = climb_down(briefly, ladder.spec, ladder.shelf.folder)
    assert again.variants == ladder.variants
    assert not any("recovering" in step or "measuring what ships" in step for step in again.followed.steps)
