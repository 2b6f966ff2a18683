"""The process of one job, `python -m controller.pruning.jobs.child`: request on stdin; progress and result on stdout.

One JSON object a line. Ends when its stdin does, so that no job outlives the daemon that wanted it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from agent.wire.errors import WireError
from controller.core.nouns.job import JobState
from controller.core.nouns.work import Dense, Ladder, Prune, Refine, Unstructured, caps_of
from controller.pruning.errors import lacked_memory
from controller.pruning.job import Announce, JobRequest, JobResult, Progress, ProgressLine, ResultLine, VariantLine
from controller.pruning.paces import Paces, host_folder
from controller.pruning.steps import Steps

if TYPE_CHECKING:
    from controller.pruning.jobs.bench import Bench
    from controller.pruning.spec import ModelSpec


def main() -> int:
    # Libraries and the operator's code print to stdout; the protocol gets a descriptor of its own.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    request = msgspec.json.decode(line, type=JobRequest)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(message: ProgressLine | VariantLine | ResultLine) -> None:
        out.write(msgspec.json.encode(message) + b"\n")

    furthest = 0.0

    def progress(share: float, text: str) -> None:
        nonlocal furthest
        furthest = max(furthest, round(share, 3))  # a step that is taken again goes no way back
        say(ProgressLine(furthest, text))

    say(ResultLine(run_job(request, progress, lambda variant: say(VariantLine(variant)))))
    out.close()
    # Not sys.exit: torch's and onnxruntime's own threads sometimes abort in the interpreter's teardown.
    os._exit(0)


def run_job(request: JobRequest, progress: Progress, announce: Announce = lambda _variant: None) -> JobResult:
    """Do the job in this process; `announce` gets what is on the shelf before the end. Failures are FAILED results.

    What the model or its data are wrong in is so the next time too; a full disk, no memory or a measurement that did
    not end is not.
    """
    steps = Steps(progress, Paces(host_folder() / "steps.json"))
    steps.within(None, "torch")
    import torch

    from agent.worker.ask import TrialError
    from controller.pruning.jobs.bench import open_bench

    torch.set_num_threads(request.threads)
    try:
        spec, shelf = _spec(request), Path(request.artifact_dir)
        bench = open_bench(spec, shelf, request.seed, steps, caps_of(request.work).runtime)
        result = _do(bench, request, announce)
        steps.close()
        return result
    except (TrialError, MemoryError, OSError) as error:
        return JobResult(state=JobState.FAILED, detail=str(error) or type(error).__name__, retry=True)
    except (WireError, ValueError, RuntimeError) as error:  # the errors of these modules say what and why themselves
        return JobResult(state=JobState.FAILED, detail=str(error), retry=lacked_memory(error))
    except Exception as error:  # the operator's own code may raise anything
        detail = f"{type(error).__name__}: {error}"
        return JobResult(state=JobState.FAILED, detail=detail, retry=lacked_memory(error))


def _spec(request: JobRequest) -> ModelSpec:
    """The spec file's, under the controller's policy. Raises `WireError`."""
    from controller.pruning.spec import load_spec

    spec, policy = load_spec(Path(request.spec_path)), request.policy
    if policy is None:
        return spec
    return replace(
        spec,
        accuracy_floor=policy.accuracy_floor,
        accuracy_margin=policy.accuracy_margin,
        recovery=policy.recovery or spec.recovery,
    )


def _do(bench: Bench, request: JobRequest, announce: Announce) -> JobResult:
    match request.work:
        case Dense():
            from controller.pruning.jobs.dense import make_dense

            return make_dense(bench)
        case Prune(caps):
            from controller.pruning.jobs.prune import make_pruned

            return make_pruned(bench, caps, request.start_from)
        case Ladder(rungs):
            from controller.pruning.jobs.ladder import make_ladder

            return make_ladder(bench, rungs, announce)
        case Unstructured(share):
            from controller.pruning.jobs.unstructured import report_unstructured

            return report_unstructured(bench, share)
        case Refine(caps, budget_s):
            from controller.pruning.jobs.refine import make_refined

            return make_refined(bench, caps, budget_s, request.start_from)
        case _:
            assert_never(request.work)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    if os.getpgrp() == os.getpid():  # what it started ends with it, where nobody else is of its group
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
