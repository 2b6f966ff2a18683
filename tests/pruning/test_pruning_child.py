"""What a job's process and its runner say to each other, and which failures may pass by themselves."""

from __future__ import annotations

import queue
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Dense, Ladder, Prune, Refine, Unstructured
from controller.pruning.job import JobRequest, JobResult, JobRunner, ProgressLine, ResultLine, VariantLine
from controller.pruning.jobs import child

VARIANT = Variant(
    sha256="ab" * 32, model="m@1", size_bytes=9, precision=Precision.INT8, ram_bytes=8, ram_base_bytes=9,
    latency_p50_s=0.1, latency_p95_s=0.2, parameters=7, drop=0.01, drop_low=-0.01, drop_high=0.02, gate_samples=500,
    golden_outputs=((1.0, 2.0),),
)  # fmt: skip
DONE = JobResult(state=JobState.DONE, variants=(VARIANT,), detail="one rung")
Heard = list[tuple[str, Any]]


def said(*lines: bytes, then: str = "", monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What the runner hears of a process that says `lines`, then does what `then` says."""
    text = "".join(f"sys.stdout.buffer.write({line!r} + b'\\n')\n" for line in lines)
    code = f"import os, sys\nsys.stdin.buffer.readline()\n{text}sys.stdout.flush()\n{then}"

    class Other(subprocess.Popen[bytes]):
        def __init__(self, _command: list[str], **pipes: Any) -> None:
            super().__init__([sys.executable, "-c", code], **pipes)

    monkeypatch.setattr(subprocess, "Popen", Other)
    heard: Heard = []
    ended: queue.Queue[JobResult] = queue.Queue()
    JobRunner().start(
        "job",
        JobRequest(work=Ladder(3), spec_path="m.yaml", artifact_dir="."),
        lambda _, share, text: heard.append(("progress", text)),
        lambda _, result: ended.put(result),
        lambda _, variant: heard.append(("variant", variant)),
    )
    heard.append(("done", ended.get(timeout=30)))
    return heard


def test_rungs_are_heard_of_as_they_are_made_and_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [ProgressLine(0.1, "one"), VariantLine(VARIANT), ProgressLine(0.5, "two"), ResultLine(DONE)]
    heard = said(*map(msgspec.json.encode, lines), monkeypatch=monkeypatch)
    assert heard == [("progress", "one"), ("variant", VARIANT), ("progress", "two"), ("done", DONE)]


def test_a_process_that_is_killed_after_a_rung_has_made_it_and_may_be_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = said(
        msgspec.json.encode(VariantLine(VARIANT)), b'{"type":"vari', then="os.kill(os.getpid(), 9)",
        monkeypatch=monkeypatch,
    )  # fmt: skip
    assert heard[0] == ("variant", VARIANT)
    (name, result) = heard[-1]
    assert (name, result.state, result.retry) == ("done", JobState.FAILED, True)


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (OSError("no space left on device"), True),
        (MemoryError(), True),
        (ValueError("the spec names no layer"), False),
        (RuntimeError("shapes do not match"), False),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes."), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 400 bytes."), True),
        (ValueError("net.py:4: data: MemoryError: Unable to allocate 7.11 PiB"), True),
        (Exception("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer"), True),
        (KeyError("net"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(
    error: Exception, retry: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> JobResult:
        raise error

    monkeypatch.setattr("controller.pruning.spec.load_spec", lambda _: None)
    monkeypatch.setattr("controller.pruning.jobs.bench.open_bench", failing)
    request = JobRequest(work=Dense(), spec_path="m.yaml", artifact_dir=str(tmp_path))
    result = child.run_job(request, lambda _share, _text: None)
    assert (result.state, result.retry) == (JobState.FAILED, retry)
    assert result.detail


def test_what_torch_itself_raises_where_memory_is_short_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.pruning.spec.load_spec", lambda _: None)
    monkeypatch.setattr("controller.pruning.jobs.bench.open_bench", lambda *_: torch.empty(10**15))
    request = JobRequest(work=Dense(), spec_path="m.yaml", artifact_dir=str(tmp_path))
    result = child.run_job(request, lambda _share, _text: None)
    assert (result.state, result.retry) == (JobState.FAILED, True)


def test_each_kind_does_its_own_work_with_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[Any, ...]] = []

    def work(*arguments: Any) -> JobResult:
        done.append(arguments)
        return DONE

    monkeypatch.setattr("controller.pruning.spec.load_spec", lambda _: None)
    monkeypatch.setattr("controller.pruning.jobs.bench.open_bench", lambda *_: "bench")
    for place in (
        "jobs.dense.make_dense",
        "jobs.prune.make_pruned",
        "jobs.ladder.make_ladder",
        "jobs.unstructured.report_unstructured",
        "jobs.refine.make_refined",
    ):
        monkeypatch.setattr(f"controller.pruning.{place}", work)
    caps = Caps(ram_bytes=5)
    for asked in (Dense(), Prune(caps), Ladder(3), Unstructured(0.8), Refine(caps, 60.0)):
        request = JobRequest(work=asked, spec_path="m.yaml", artifact_dir=str(tmp_path), start_from=("a",))
        assert child.run_job(request, lambda _share, _text: None, announce) is DONE
    assert done == [
        ("bench",), ("bench", caps, ("a",)), ("bench", 3, announce), ("bench", 0.8), ("bench", caps, 60.0, ("a",))
    ]  # fmt: skip


def announce(_variant: Variant) -> None:
    """Stands for the line that tells of a variant."""


def test_a_job_that_no_process_can_be_had_for_may_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(subprocess.Popen[bytes]):
        def __init__(self, *_: Any, **__: Any) -> None:
            self.returncode = 1  # its end is asked for, as it never began
            raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", Never)
    runner, ended = JobRunner(), list[JobResult]()
    request = JobRequest(work=Dense(), spec_path="m.yaml", artifact_dir=".")
    runner.start("job", request, lambda *_: None, lambda _, result: ended.append(result))
    assert [(each.state, each.retry) for each in ended] == [(JobState.FAILED, True)]
    assert runner.running == ()


def test_a_process_that_ends_before_it_read_its_request_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(subprocess.Popen[bytes]):
        def __init__(self, _command: list[str], **pipes: Any) -> None:
            super().__init__([sys.executable, "-c", ""], **pipes)
            self.wait()

    monkeypatch.setattr(subprocess, "Popen", Gone)
    runner, ended = JobRunner(), queue.Queue[JobResult]()
    long = tuple(f"{number:064d}" for number in range(3000))  # more than a pipe holds
    request = JobRequest(work=Dense(), spec_path="m.yaml", artifact_dir=".", start_from=long)
    runner.start("job", request, lambda *_: None, lambda _, result: ended.put(result))
    assert ended.get(timeout=30).state is JobState.FAILED
    assert runner.running == ()
