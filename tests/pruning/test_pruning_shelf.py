"""What jobs leave for later ones must not stop those, whatever happened to it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from controller import durable
from controller.core.costs import Costs
from controller.core.nouns.variant import Precision
from controller.durable import put_file
from controller.pruning.artifact.pace import Pace
from controller.pruning.graph.structure import Structure
from controller.pruning.job import JobResult
from controller.pruning.jobs.bench import open_bench
from controller.pruning.shelf import Marked, Marks, Point, Shelf, known_as
from controller.pruning.solve.curves import WorthCurves
from controller.pruning.spec import load_spec
from controller.pruning.steps import unheard

COSTS = Costs(ram_bytes=1.0, storage_bytes=2.0, latency_s=3.0)
POINT = Point({"a": 3}, (), Precision.FP32, COSTS)


def test_half_a_line_of_measured_costs_is_passed_over(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "d" * 64)
    shelf.add_point(POINT)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])  # the disk was full, or the power went
    shelf.add_point(POINT)
    assert shelf.points(Precision.FP32) == [POINT]


def test_a_full_disk_leaves_no_part_of_an_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        put_file(b"onnx", tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_of_other_groups_is_passed_over(glyphs: Path, tmp_path: Path) -> None:
    """As after a release that groups otherwise: the shelf names groups that are no more."""
    bench = open_bench(load_spec(glyphs / "model.yaml"), tmp_path, None, unheard())
    here = Point({group.root: 8 for group in bench.prunable.groups}, (), Precision.FP32, COSTS)
    for point in (POINT, here, Point({**here.widths, "gone": 4}, (), Precision.FP32, COSTS)):
        bench.shelf.add_point(point)
    assert bench.costing.points(Precision.FP32) == [here]
    assert (
        bench.costing.predictor(Precision.FP32)
        .costs(bench.costing.pricing(Precision.FP32).price(here.widths))
        .storage_bytes
        > 0
    )


@pytest.fixture
def unmarked(dense: JobResult, shelf_dir: Path, tmp_path: Path) -> Shelf:
    """As the dense job leaves it."""
    shutil.copytree(shelf_dir, tmp_path / "shelf", ignore=shutil.ignore_patterns("marks-*"))
    return Shelf(tmp_path / "shelf", dense.model_digest)


def test_times_are_told_against_the_precision_s_own_marks_and_against_the_dense_model_where_it_has_none(
    dense: JobResult, unmarked: Shelf
) -> None:
    assert dense.variant is not None
    shelf, sha256 = unmarked, dense.variant.sha256
    slow_s = dense.variant.latency_p50_s
    (alone,) = paced(shelf, Precision.INT8).marks
    assert (alone.path.stem, alone.latency_s) == (sha256, slow_s)
    shelf.put_mark(b"narrow", "b" * 64)
    shelf.put_marks(Precision.FP32, Marks(sha256, (Marked(sha256, 1.0), Marked("b" * 64, 0.25))))
    for precision in Precision:
        assert [each.latency_s for each in paced(shelf, precision).marks] == [slow_s, 0.25 * slow_s]
    shelf.put_marks(Precision.INT8, Marks(sha256, ()))  # it cannot be made in int8
    assert len(paced(shelf, Precision.INT8).marks) == 2


@pytest.mark.parametrize("lost", ["the dense variant is another", "the artifact is gone", "the file is torn"])
def test_marks_that_no_longer_hold_are_none(dense: JobResult, unmarked: Shelf, lost: str) -> None:
    assert dense.variant is not None
    shelf, sha256 = unmarked, dense.variant.sha256
    shelf.put_mark(b"narrow", "b" * 64)
    marks = Marks("c" * 64 if lost.startswith("the dense") else sha256, (Marked("b" * 64, 0.25),))
    shelf.put_marks(Precision.FP32, marks)
    if lost.endswith("gone"):
        shelf.artifact("b" * 64).unlink()
    if lost.endswith("torn"):
        (file,) = shelf.folder.glob("marks-*-fp32.json")
        file.write_bytes(file.read_bytes()[:-9])
    kin = shelf.dense()
    assert kin is not None
    assert shelf.marks(Precision.FP32, kin) is None
    (alone,) = paced(shelf, Precision.FP32).marks
    assert alone.path.stem == sha256


def paced(shelf: Shelf, precision: str) -> Pace:
    pace = shelf.pace(precision)
    assert pace is not None
    return pace


def test_before_the_dense_variant_there_is_nothing_to_tell_times_against(tmp_path: Path) -> None:
    assert Shelf(tmp_path, "d" * 64).pace(Precision.FP32) is None


def test_without_a_seed_of_its_own_a_job_has_the_spec_s(glyphs: Path, tmp_path: Path) -> None:
    spec = load_spec(glyphs / "model.yaml")
    assert spec.seed == 1
    assert open_bench(spec, tmp_path, None, unheard()).seed == 1
    assert open_bench(spec, tmp_path, 7, unheard()).seed == 7


@pytest.mark.parametrize("torn", [b"", b"{", b'{"curves": {}, "blocks": {"a": null}}'])
def test_what_a_cut_is_worth_is_estimated_again_where_it_cannot_be_read(tmp_path: Path, torn: bytes) -> None:
    shelf, worth = Shelf(tmp_path, "d" * 64), WorthCurves({"a": ((1, 2), (0.5, 0.0))}, {"b": 0.1})
    shelf.put_curves("data-1-some", worth)
    assert shelf.curves("other-1-some") is None
    assert shelf.curves("data-1-some") is not None
    (file,) = tmp_path.iterdir()
    file.write_bytes(torn)
    assert shelf.curves("data-1-some") is None


def test_of_what_was_made_twice_for_one_request_the_newest_is_taken(dense: JobResult, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, dense.model_digest)
    assert dense.variant is not None
    for sha256, made_at in (("a" * 64, 2.0), ("b" * 64, 3.0), ("c" * 64, 1.0)):
        again = replace(dense.variant, sha256=sha256, requested="caps", created_unix_s=made_at)
        shelf.put(b"onnx", again, Structure({}), nn.Linear(1, 1))
    for found in (shelf.dense(), shelf.made_for("caps", Precision.FP32)):
        assert found is not None
        assert found.variant.sha256 == "b" * 64


def test_what_release_0_1_left_under_its_own_digest_is_the_models_still(dense: JobResult, tmp_path: Path) -> None:
    """And stays so when the spec file's policy has changed, by which 0.1 would have called the model otherwise."""
    assert dense.variant is not None
    now, before, other = "d" * 64, "e" * 64, "f" * 64
    assert known_as(tmp_path, now, before) == (), "nothing is there yet"
    old = Shelf(tmp_path, before)
    old.put(b"onnx", dense.variant, Structure({}), nn.Linear(1, 1))
    old.add_point(Point({}, (), Precision.FP32, Costs(ram_bytes=1, storage_bytes=2, latency_s=3.0)))
    old.put_curves("data-1-some", WorthCurves({}, {"b": 0.5}))
    assert known_as(tmp_path, now, before) == (before,)
    assert known_as(tmp_path, now, other) == (before,)
    shelf = Shelf(tmp_path, now, formerly=known_as(tmp_path, now, other))
    assert shelf.dense() is not None
    shelf.add_point(Point({}, (), Precision.FP32, Costs(ram_bytes=4, storage_bytes=5, latency_s=6.0)))
    assert [each.costs.ram_bytes for each in shelf.points(Precision.FP32)] == [1, 4]
    assert shelf.curves("data-1-some") == WorthCurves({}, {"b": 0.5})
    shelf.put_curves("data-1-some", WorthCurves({}, {"b": 0.25}))
    assert shelf.curves("data-1-some") == WorthCurves({}, {"b": 0.25})


def test_ranks_are_those_of_one_stage_with_one_seed_and_data(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "d" * 64)
    shelf.put_ranks("data-1-some", "a" * 64, {"x": [1.0, 2.0]})
    assert shelf.ranks("data-1-some", "a" * 64) == {"x": [1.0, 2.0]}
    for other in (("data-2-some", "a" * 64), ("data-1-other", "a" * 64), ("data-1-some", "b" * 64)):
        assert shelf.ranks(*other) == {}
    (file,) = tmp_path.iterdir()
    file.write_bytes(b'{"x": [1.0')
    assert shelf.ranks("data-1-some", "a" * 64) == {}


def test_points_of_an_earlier_release_are_read(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "d" * 64)
    line = '{"widths":{"a":2},"dropped":[],"precision":"fp32","costs":{"ram_bytes":1,"storage_bytes":2,"latency_s":3}}'
    (tmp_path / f"costs-{'d' * 16}.jsonl").write_text(line)
    assert [point.only_bytes for point in shelf.points(Precision.FP32)] == [False]
