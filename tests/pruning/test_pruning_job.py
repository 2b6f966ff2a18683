"""Whole jobs in their own processes, on a model that the project has never seen."""

from __future__ import annotations

import hashlib
import os
import queue
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from agent.wire.profile import Runtime
from controller.core.caps import below, sure, use
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision
from controller.core.nouns.work import Prune
from controller.pruning.artifact.measure import measure
from controller.pruning.job import JobRequest, JobResult, JobRunner
from controller.pruning.shelf import Shelf
from tests.pruning.conftest import Follow, Run, artifacts, marks_of
from tests.pruning.killing import copied, stopped


def test_the_job_module_needs_no_torch() -> None:
    code = "import sys, controller.pruning.job, controller.pruning.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_the_dense_artifact_is_what_its_digest_says_and_tells_nothing_of_this_machine(
    dense: JobResult, shelf_dir: Path, glyphs: Path
) -> None:
    assert dense.state is JobState.DONE, dense.detail
    assert dense.variant is not None
    artifact = (shelf_dir / f"{dense.variant.sha256}.onnx").read_bytes()
    assert hashlib.sha256(artifact).hexdigest() == dense.variant.sha256
    assert len(artifact) == dense.variant.size_bytes
    for trace in (os.sep.join(["", "site-packages"]), "user.py", str(glyphs), "torch/nn", 'File "'):
        assert trace.encode() not in artifact
    assert dense.variant.dense
    assert dense.variant.ram_base_bytes > 10 * 2**20
    assert dense.variant.accuracy is not None
    assert dense.variant.accuracy_low < dense.variant.accuracy < dense.variant.accuracy_high  # type: ignore[operator]


@pytest.mark.slow
def test_a_prune_measures_inside_every_cap_and_uses_the_binding_one(
    dense: JobResult, glyphs: Path, shelf_dir: Path, run_job: Run
) -> None:
    assert dense.variant is not None
    caps = Caps(ram_bytes=dense.variant.ram_bytes, storage_bytes=int(dense.variant.size_bytes * 0.16))
    result = run_job(_request(glyphs / "model.yaml", shelf_dir, caps, start_from=(dense.variant.sha256,)))
    assert result.state is JobState.DONE, result.detail
    assert result.variant is not None
    variant, path = result.variant, shelf_dir / f"{result.variant.sha256}.onnx"
    assert variant.ram_bytes <= caps.ram_bytes  # type: ignore[operator]
    assert 0.75 * caps.storage_bytes < variant.size_bytes <= caps.storage_bytes  # type: ignore[operator]
    assert result.binding is Constraint.STORAGE
    assert variant.parameters < 0.6 * dense.variant.parameters  # it ships in int8, a byte a parameter
    assert variant.lineage["parent"] == dense.variant.sha256
    again = measure(path, variant.sha256, variant.golden_seed, samples=50, repeats=1)
    assert again.storage_bytes == variant.size_bytes
    assert np.allclose(again.golden_outputs, variant.golden_outputs, atol=1e-4)
    assert _gate_accuracy(path, glyphs) == variant.accuracy


@pytest.mark.slow
def test_for_another_runtime_the_dense_model_and_a_prune_are_made_and_measured_there(
    dense: JobResult, glyphs: Path, shelf_dir: Path, briefly: Follow
) -> None:
    assert dense.variant is not None
    whole = briefly(_request(glyphs / "model.yaml", shelf_dir, Caps(runtime=Runtime.NCNN))).result
    assert whole.state is JobState.DONE, whole.detail
    assert whole.variant is not None
    assert (whole.variant.dense, whole.variant.runtime) == (True, "ncnn")
    assert whole.variant.parameters == dense.variant.parameters
    assert whole.variant.accuracy == dense.variant.accuracy
    caps = Caps(storage_bytes=int(whole.variant.size_bytes * 0.4), runtime=Runtime.NCNN)
    result = briefly(_request(glyphs / "model.yaml", shelf_dir, caps)).result
    assert result.state is JobState.DONE, result.detail
    assert result.variant is not None
    assert (result.variant.runtime, result.variant.precision) == ("ncnn", Precision.FP32)
    assert 0.75 * caps.storage_bytes < result.variant.size_bytes <= caps.storage_bytes  # type: ignore[operator]
    path = shelf_dir / f"{result.variant.sha256}.ncnn.zip"
    again = measure(path, path.stem, result.variant.golden_seed, samples=50, repeats=1, runtime=Runtime.NCNN)
    assert np.allclose(again.golden_outputs, result.variant.golden_outputs, atol=1e-4)
    assert Shelf(shelf_dir, result.model_digest).dense().variant == dense.variant  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_known_variant_that_just_fits_is_the_answer_where_nothing_new_would_stay_inside(
    dense: JobResult, glyphs: Path, shelf_dir: Path, briefly: Follow
) -> None:
    assert dense.variant is not None
    tight = Caps(storage_bytes=int(dense.variant.size_bytes * 0.2))
    first = briefly(_request(glyphs / "model.yaml", shelf_dir, tight)).result.variant
    assert first is not None
    exact = Caps(ram_bytes=first.ram_bytes, storage_bytes=first.size_bytes, latency_s=first.latency_p95_s)
    again = briefly(_request(glyphs / "model.yaml", shelf_dir, exact, start_from=(first.sha256,))).result
    assert again.state is JobState.DONE, again.detail
    assert again.variant is not None
    assert use(exact, again.variant) <= 1


@pytest.mark.slow
def test_where_only_bytes_are_short_int8_ships_and_is_compared_with_the_dense_model(
    dense: JobResult, glyphs: Path, shelf_dir: Path, briefly: Follow
) -> None:
    assert dense.variant is not None
    caps = Caps(storage_bytes=int(dense.variant.size_bytes * 0.28))
    result = briefly(_request(glyphs / "model.yaml", shelf_dir, caps)).result
    assert result.state is JobState.DONE, result.detail
    assert result.variant is not None
    variant = result.variant
    assert variant.precision is Precision.INT8
    assert variant.size_bytes <= caps.storage_bytes  # type: ignore[operator]
    assert variant.gate_samples == 400
    assert variant.drop_low < variant.drop < variant.drop_high  # type: ignore[operator]
    assert dense.variant.accuracy - variant.accuracy == pytest.approx(variant.drop)  # type: ignore[operator]
    assert _gate_accuracy(shelf_dir / f"{variant.sha256}.onnx", glyphs) == variant.accuracy


@pytest.mark.slow
def test_caps_below_the_smallest_structure_are_refused_with_numbers_before_anything_is_trained(
    dense: JobResult, glyphs: Path, shelf_dir: Path, briefly: Follow
) -> None:
    assert dense.variant is not None
    caps = Caps(storage_bytes=2000)
    told = briefly(_request(glyphs / "model.yaml", shelf_dir, caps, start_from=(dense.variant.sha256,)))
    result = told.result
    assert (result.state, result.binding) == (JobState.INFEASIBLE, Constraint.STORAGE)
    for precision in Precision:
        assert f"the smallest structure of glyphs@1 in {precision} exceeds the caps: storage" in result.detail
    assert "1.95 KiB" in result.detail
    assert not any("recovering" in step or "estimating" in step for step in told.steps)
    assert (result.variants, result.variant) == ((), dense.variant)
    least = result.least
    assert least is not None
    assert None not in (least.ram_bytes, least.storage_bytes, least.latency_s)
    assert below(caps, least) is not None


@pytest.mark.slow
def test_what_a_refusal_says_would_do_by_cost_is_made_and_nine_tenths_of_it_are_refused(
    glyphs: Path, tmp_path: Path, briefly: Follow
) -> None:
    refused = briefly(_request(glyphs / "low.yaml", tmp_path, Caps(storage_bytes=2000))).result
    assert refused.least is not None
    named = sure(refused.least)
    assert named.storage_bytes is not None
    made = briefly(_request(glyphs / "low.yaml", tmp_path, Caps(storage_bytes=named.storage_bytes))).result
    assert made.state is JobState.DONE, made.detail
    tighter = Caps(storage_bytes=int(named.storage_bytes * 0.9))
    assert briefly(_request(glyphs / "low.yaml", tmp_path, tighter)).result.state is JobState.INFEASIBLE


@pytest.mark.slow
def test_below_the_accuracy_floor_nothing_is_shipped(glyphs: Path, tmp_path: Path, briefly: Follow) -> None:
    result = briefly(_request(glyphs / "strict.yaml", tmp_path, Caps(storage_bytes=40_000))).result
    assert (result.state, result.binding) == (JobState.INFEASIBLE, Constraint.STORAGE), result.detail
    assert "is below the floor of 99.99 %" in result.detail
    assert result.variant is None  # not even the dense model is at the floor
    (kin,) = Shelf(tmp_path, result.model_digest).kin()
    assert kin.variant.dense
    assert artifacts(tmp_path) == {kin.artifact.stem, *marks_of(Shelf(tmp_path, result.model_digest))}


@pytest.mark.slow
def test_without_data_a_prune_ships_with_unverified_accuracy(untaught: Path, tmp_path: Path, briefly: Follow) -> None:
    result = briefly(_request(untaught / "model.yaml", tmp_path, Caps(storage_bytes=12_000))).result
    assert result.state is JobState.DONE, result.detail
    assert result.variant is not None
    variant = result.variant
    assert (variant.accuracy, variant.drop, variant.gate_samples) == (None, None, None)
    assert variant.precision is Precision.FP32
    assert variant.size_bytes <= 12_000
    assert variant.lineage["recovery_epochs"] == 0
    assert "unverified" in str(variant.lineage["verdict"])


@pytest.mark.slow
def test_a_prune_killed_at_ten_random_moments_ends_with_the_same_bytes(
    dense: JobResult, glyphs: Path, shelf_dir: Path, tmp_path: Path
) -> None:
    assert dense.variant is not None
    caps, ends = Caps(storage_bytes=int(dense.variant.size_bytes * 0.12)), list[str]()
    for kills in ((), random.Random(11).choices(range(1, 12), k=10)):
        shelf = tmp_path / str(len(kills))
        copied(shelf_dir, shelf)
        asked = _request(glyphs / "low.yaml", shelf, caps, start_from=(dense.variant.sha256,))
        died = [stopped(asked, words).state for words in kills]
        assert JobState.FAILED in died or not kills
        result = stopped(asked, None)
        assert result.variant is not None, result.detail
        ends.append(result.variant.sha256)
    assert ends[0] == ends[1]


@pytest.mark.slow
def test_a_killed_job_fails_with_its_reason(glyphs: Path, tmp_path: Path) -> None:
    result = _interrupted(glyphs, tmp_path, lambda runner: os.kill(runner.pid("job") or 0, signal.SIGKILL))
    assert result.state is JobState.FAILED
    assert "signal 9" in result.detail


@pytest.mark.slow
def test_a_cancelled_job_fails_as_cancelled(glyphs: Path, tmp_path: Path) -> None:
    result = _interrupted(glyphs, tmp_path, lambda runner: runner.cancel("job"))
    assert (result.state, result.detail) == (JobState.FAILED, "cancelled")


def test_a_job_ends_when_its_parent_does(glyphs: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "controller.pruning.jobs.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        child.communicate(b"", timeout=30)  # the pipe ends, as when the daemon dies
        assert child.wait(timeout=30) == 1


def test_a_spec_that_is_not_there_fails_and_says_so(tmp_path: Path, run_job: Run) -> None:
    result = run_job(_request(tmp_path / "model.yaml", tmp_path, Caps()))
    assert result.state is JobState.FAILED
    assert "model.yaml: cannot be read" in result.detail


def _request(spec: Path, shelf_dir: Path, caps: Caps, start_from: tuple[str, ...] = ()) -> JobRequest:
    return JobRequest(work=Prune(caps), spec_path=str(spec), artifact_dir=str(shelf_dir), seed=7, start_from=start_from)


def _interrupted(glyphs: Path, shelf_dir: Path, strike: Callable[[JobRunner], object]) -> JobResult:
    runner, progress = JobRunner(), queue.Queue[str]()
    results: queue.Queue[JobResult] = queue.Queue()
    runner.start(
        "job",
        _request(glyphs / "model.yaml", shelf_dir, Caps(storage_bytes=40_000)),
        lambda _, share, text: progress.put(text),
        lambda _, result: results.put(result),
    )
    progress.get(timeout=60)
    strike(runner)
    result = results.get(timeout=60)
    assert runner.running == ()
    return result


def _gate_accuracy(path: Path, glyphs: Path) -> float:
    code: dict[str, Callable[[], object]] = {}
    exec((glyphs / "user.py").read_text(), code)
    inputs, labels = code["data"]().gate  # type: ignore[attr-defined]
    session = ort.InferenceSession(path)
    name = session.get_inputs()[0].name
    answers = [int(np.argmax(session.run(None, {name: each[np.newaxis]})[0])) for each in inputs]
    return float(np.mean(np.asarray(answers) == labels))
