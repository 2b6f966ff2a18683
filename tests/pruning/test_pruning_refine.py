"""The refine job: a better variant under the same caps, or the one that stands; stopped as often as need be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Dense, Prune, Refine, Work
from controller.pruning.job import JobRequest, JobResult
from tests.pruning.conftest import Follow, Run
from tests.pruning.killing import copied, stopped


@pytest.fixture(scope="session")
def first(glyphs: Path, shelf_dir: Path, dense: JobResult, run_job: Run) -> JobResult:
    """A prune that loses something: to a thirtieth of the bytes."""
    assert dense.variant is not None
    caps = Caps(storage_bytes=int(dense.variant.size_bytes * 0.05))
    return run_job(request_of(Prune(caps), glyphs / "low.yaml", shelf_dir, dense.variant))


def request_of(work: Work, spec: Path, shelf: Path, *known: Variant) -> JobRequest:
    start_from = tuple(each.sha256 for each in known)
    return JobRequest(work=work, spec_path=str(spec), artifact_dir=str(shelf), start_from=start_from)


def caps_of(variant: Variant) -> Caps:
    text = variant.requested.split("storage=")[1].split()[0]
    return Caps(storage_bytes=int(text))


@pytest.mark.slow
def test_what_is_found_is_inside_the_caps_and_what_stands_goes_on_standing(
    first: JobResult, glyphs: Path, shelf_dir: Path, briefly: Follow
) -> None:
    stands = first.variant
    assert stands is not None, first.detail
    caps = caps_of(stands)
    asked = request_of(Refine(caps, 20.0), glyphs / "low.yaml", shelf_dir, stands)
    followed = briefly(asked)
    result = followed.result
    assert result.state is JobState.DONE, result.detail
    assert result.variant is not None
    assert result.variant.size_bytes <= (caps.storage_bytes or 0)
    assert (shelf_dir / f"{stands.sha256}.onnx").is_file()
    assert any("structure 1 of" in step for step in followed.steps)
    if result.variant.sha256 != stands.sha256:
        assert result.variant.lineage["refined"] == stands.sha256
        assert result.variant.lineage["gate_looks"] == 2
        assert result.variant.lineage["gate_error"] == pytest.approx(0.0125)
    again = briefly(asked)
    assert again.result.variant is not None
    assert again.result.variant.sha256 == result.variant.sha256
    assert not any("structure 1 of" in step for step in again.steps)  # it was tried, and is on the shelf


@pytest.mark.slow
def test_stopped_at_any_moment_it_goes_on_and_ends_with_the_same_structure(
    first: JobResult, glyphs: Path, shelf_dir: Path, tmp_path: Path
) -> None:
    stands = first.variant
    assert stands is not None
    asked = request_of(Refine(caps_of(stands), 12.0), glyphs / "low.yaml", tmp_path, stands)
    ends = list[Variant]()
    for kills in ((), (3, 5, 7)):
        shelf = tmp_path / str(len(kills))
        copied(shelf_dir, shelf)
        for words in kills:
            assert stopped(replace(asked, artifact_dir=str(shelf)), words).state is JobState.FAILED
        result = stopped(replace(asked, artifact_dir=str(shelf)), None)
        assert result.state is JobState.DONE, result.detail
        assert result.variant is not None
        ends.append(result.variant)
    assert ends[0].lineage["widths"] == ends[1].lineage["widths"]
    assert ends[0].sha256 == ends[1].sha256


@pytest.mark.slow
def test_where_the_dense_model_is_inside_there_is_nothing_to_refine(
    dense: JobResult, glyphs: Path, shelf_dir: Path, briefly: Follow
) -> None:
    assert dense.variant is not None
    caps = Caps(storage_bytes=2 * dense.variant.size_bytes)
    asked = request_of(Refine(caps, 60.0), glyphs / "low.yaml", shelf_dir, dense.variant)
    followed = briefly(asked)
    assert followed.result.state is JobState.DONE
    assert followed.result.variant == dense.variant
    assert "dense model itself is inside the caps" in followed.result.detail
    assert not any("recovering" in step for step in followed.steps)


@pytest.mark.slow
def test_where_nothing_is_inside_that_is_said_and_no_failure(glyphs: Path, shelf_dir: Path, briefly: Follow) -> None:
    followed = briefly(request_of(Refine(Caps(storage_bytes=10), 60.0), glyphs / "low.yaml", shelf_dir))
    assert (followed.result.state, followed.result.variant) == (JobState.DONE, None)
    assert "nothing to refine" in followed.result.detail


@pytest.mark.slow
def test_without_data_nothing_is_trained(untaught: Path, tmp_path: Path, briefly: Follow) -> None:
    made = briefly(request_of(Dense(), untaught / "model.yaml", tmp_path)).result.variant
    assert made is not None
    caps = Caps(storage_bytes=int(made.size_bytes * 0.7))
    pruned = briefly(request_of(Prune(caps), untaught / "model.yaml", tmp_path, made)).result.variant
    assert pruned is not None
    result = briefly(request_of(Refine(caps, 60.0), untaught / "model.yaml", tmp_path, pruned)).result
    assert (result.state, result.variant) == (JobState.DONE, pruned)
    assert "nothing is recovered" in result.detail
