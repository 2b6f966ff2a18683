"""Where a ladder ends, and what its variants say of their accuracy where there is little or nothing to judge by."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision
from controller.pruning.shelf import Shelf
from tests.pruning.conftest import RUNGS, Follow, artifacts, ladder_request, marks_of


@pytest.mark.slow
def test_at_the_floor_the_ladder_ends_and_what_fails_is_not_told(glyphs: Path, briefly: Follow, tmp_path: Path) -> None:
    strict = briefly(ladder_request(glyphs / "strict.yaml", tmp_path))
    result = strict.result
    assert result.state is JobState.DONE
    assert [variant.dense for variant in result.variants] == [True]
    assert strict.variants == list(result.variants)
    assert "rung 1 in fp32" in result.detail
    assert "below the floor" in result.detail
    assert "rung 2" not in result.detail
    variants = {variant.sha256 for variant in result.variants}
    assert artifacts(tmp_path) == {*variants, *marks_of(Shelf(tmp_path, result.model_digest))}


@pytest.mark.slow
def test_without_data_rungs_are_fp32_as_cut_and_unverified(untaught: Path, briefly: Follow, tmp_path: Path) -> None:
    result = briefly(ladder_request(untaught / "model.yaml", tmp_path)).result
    assert result.state is JobState.DONE, result.detail
    assert 2 <= len(result.variants) <= RUNGS + 1
    for variant in result.variants:
        assert (variant.precision, variant.accuracy, variant.drop) == (Precision.FP32, None, None)
        assert variant.lineage["recovery_epochs"] == 0
        assert variant.lineage["data_sha256"] is None
        assert "no data" in str(variant.lineage["verdict"])


@pytest.mark.slow
def test_without_labels_rungs_are_distilled_and_tell_how_often_they_agree(
    glyphs: Path, briefly: Follow, tmp_path: Path
) -> None:
    dense, integers, rung = briefly(ladder_request(glyphs / "unlabelled.yaml", tmp_path), cancel_after=3).variants
    assert (dense.precision, integers.precision, rung.precision) == (Precision.FP32, Precision.INT8, Precision.FP32)
    assert "100.0% of 400 top-1 answers are the dense model's" in str(dense.lineage["verdict"])
    for variant in (integers, rung):
        assert variant.accuracy is None
        assert "the gate has no labels" in str(variant.lineage["verdict"])
        assert "of 400 top-1 answers" in str(variant.lineage["verdict"])
    assert rung.lineage["recovery_epochs"] > 0  # type: ignore[operator]
