"""What jobs leave for later ones must not stop those, whatever happened to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller import durable
from controller.durable import put_file
from controller.pruning.bench import open_bench
from controller.pruning.cost.predict import Costs
from controller.pruning.shelf import Point, Shelf
from controller.pruning.spec import load_spec

COSTS = Costs(ram_bytes=1.0, storage_bytes=2.0, latency_s=3.0)
POINT = Point({"a": 3}, (), "fp32", COSTS)


def test_half_a_line_of_measured_costs_is_passed_over(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "d" * 64)
    shelf.add_point(POINT)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])  # the disk was full, or the power went
    shelf.add_point(POINT)
    assert shelf.points("fp32") == [POINT]


def test_a_full_disk_leaves_no_part_of_an_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        put_file(b"onnx", tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_of_other_groups_is_passed_over(glyphs: Path, tmp_path: Path) -> None:
    """As after a release that groups otherwise: the shelf names groups that are no more."""
    bench = open_bench(load_spec(glyphs / "model.yaml"), tmp_path, None, lambda _share, _text: None)
    here = Point({group.root: 8 for group in bench.groups}, (), "fp32", COSTS)
    for point in (POINT, here, Point({**here.widths, "gone": 4}, (), "fp32", COSTS)):
        bench.shelf.add_point(point)
    assert bench.points("fp32") == [here]
    assert bench.predictor("fp32").costs(bench.costs("fp32").price(here.widths)).storage_bytes > 0


def test_without_a_seed_of_its_own_a_job_has_the_spec_s(glyphs: Path, tmp_path: Path) -> None:
    spec = load_spec(glyphs / "model.yaml")
    assert spec.seed == 1
    assert open_bench(spec, tmp_path, None, lambda _share, _text: None).seed == 1
    assert open_bench(spec, tmp_path, 7, lambda _share, _text: None).seed == 7
