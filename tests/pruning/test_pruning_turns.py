"""Two artifacts timed by turns in one process."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from agent.worker import timing
from agent.worker.ask import TrialError
from agent.worker.timing import LEAST_SAMPLES
from controller.pruning.artifact import turns
from controller.pruning.artifact.export import export_onnx
from controller.pruning.artifact.measure import close, measure
from controller.pruning.artifact.pace import Mark, Pace
from controller.pruning.artifact.turns import by_turns

_WIDE = 64


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("turns") / "small.onnx"
    path.write_bytes(export_onnx(nn.Linear(8, 8), torch.zeros(1, 8)))
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 75 M multiplications: hundreds of the small one's times."""
    net = nn.Sequential(nn.Conv2d(1, _WIDE, 3), nn.Conv2d(_WIDE, _WIDE, 3))
    path = tmp_path_factory.mktemp("turns") / "large.onnx"
    path.write_bytes(export_onnx(net, torch.zeros(1, 1, 48, 48)))
    return path


def test_times_come_in_pairs_of_the_one_and_the_other(small: Path, large: Path) -> None:
    times = by_turns([large, small], "onnxruntime", 0, 12)
    assert times.shape == (12, 2)
    slow, quick = np.median(times, axis=0)
    assert slow > 3 * quick


def test_an_artifact_beside_itself_keeps_the_times_that_were_taken_first(large: Path) -> None:
    measured = measure(large, "a" * 64, 0, 20, 2, Pace((Mark(large, 0.5),), 1.6))
    assert measured.latency_p50_s == pytest.approx(0.5, rel=0.3)
    assert measured.latency_p95_s == pytest.approx(measured.latency_p50_s * 0.8 / 0.5)


def line(slow_s: float, fast_s: float) -> Pace:
    return Pace((Mark(Path("slow"), slow_s), Mark(Path("fast"), fast_s)), 1.2)


times = st.floats(1e-6, 1.0)


@given(st.floats(0.0, 1.0), times, st.floats(0.5, 2.0), st.floats(0.0, 1e-3))
def test_what_a_minute_adds_to_all_and_slows_all_by_is_taken_off_again(
    share: float, slow_s: float, slower: float, added_s: float
) -> None:
    fast_s = 0.2 * slow_s
    true_s = fast_s + share * (slow_s - fast_s)
    now = np.array([[each * slower + added_s for each in (true_s, slow_s, fast_s)]] * 3)
    assert line(slow_s, fast_s).told(now) == pytest.approx(true_s, rel=1e-3)


@given(times, times, times, st.floats(1e-6, 1.0), st.floats(0.01, 1.0))
def test_a_time_is_told_whatever_the_marks_took(
    mine: float, slow: float, fast: float, slow_s: float, share: float
) -> None:
    told = line(slow_s, slow_s * share).told(np.array([[mine, slow, fast]]))
    assert np.isfinite(told)
    assert told > 0


def test_marks_too_close_together_are_no_line() -> None:
    assert line(1.0, 0.9).told(np.array([[0.5, 1.0, 0.95]])) == 0.5


def test_what_cannot_be_measured_says_why(small: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(small.read_bytes()[:40])
    with pytest.raises(TrialError, match=r"(?s)code 1: .*Protobuf parsing failed"):
        by_turns([torn, small], "onnxruntime", 0, 1)


def test_the_measuring_process_loads_what_the_device_does_and_no_more() -> None:
    code = "import sys, controller.pruning.artifact.turns; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_of_a_slow_model_fewer_inferences_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes seconds could not be added at all: hundreds of its inferences took longer than any patience."""
    now = [0.0]

    class Slow:
        inputs = ()

        def run(self, _inputs: object) -> list[object]:
            now[0] += 7.0
            return []

    clocks = {"perf_counter": time.perf_counter, "thread_time": time.thread_time}
    monkeypatch.setattr(timing, "time", SimpleNamespace(monotonic=lambda: now[0], **clocks))
    assert len(turns._timed([Slow(), Slow()], 0, 200)) == LEAST_SAMPLES  # type: ignore[list-item]
    assert now[0] < 300


def test_processes_that_agree_by_chance_are_not_enough_and_a_few_that_do_are() -> None:
    assert not close([1.0])
    assert not close([1.0, 1.0])
    assert close([1.0, 1.01, 0.99])
    assert not close([1.0, 1.06, 0.94])


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=8), st.floats(0.1, 10))
def test_whether_times_are_close_does_not_hang_on_their_unit(p50s: list[float], unit: float) -> None:
    spread = np.std(p50s, ddof=1) / np.mean(p50s) if len(p50s) > 1 else 0.0
    if abs(1.96 * spread / len(p50s) ** 0.5 - 0.02) > 1e-6:
        assert close([each * unit for each in p50s]) == close(p50s)


def test_times_are_taken_until_they_are_close_and_each_is_told_of(
    small: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[tuple[int, int]]()
    tells = iter([1.0, 1.001, 0.999, 5.0, 5.0])
    monkeypatch.setattr(Pace, "told", lambda _pace, _times: next(tells))
    pace = Pace((Mark(large, 0.5),), 1.5)
    measured = measure(small, "a" * 64, 0, 2, 5, pace, "onnxruntime", lambda *each: told.append(each))
    assert told == [(1, 5), (2, 5), (3, 5)]
    assert (measured.latency_p50_s, measured.latency_p95_s) == (1.0, 1.5)
    assert measured.ram_bytes > 0
