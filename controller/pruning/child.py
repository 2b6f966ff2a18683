"""The process of one job, `python -m controller.pruning.child`: request on stdin, progress and result on stdout.

One JSON object a line. Ends when its stdin does, so that no job outlives the daemon that wanted it.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import msgspec

from agent.wire.errors import WireError
from controller.core.types import JobState
from controller.pruning.job import JobRequest, JobResult, Progress, ProgressLine, ResultLine


def main() -> int:
    # Libraries and the operator's code print to stdout; the protocol gets a descriptor of its own.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    request = msgspec.json.decode(line, type=JobRequest)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def progress(share: float, text: str) -> None:
        out.write(msgspec.json.encode(ProgressLine(round(share, 3), text)) + b"\n")

    out.write(msgspec.json.encode(ResultLine(run_job(request, progress))) + b"\n")
    out.close()
    # Not sys.exit: torch's and onnxruntime's own threads sometimes abort in the interpreter's teardown.
    os._exit(0)


def run_job(request: JobRequest, progress: Progress) -> JobResult:
    """Do the job in this process. Every failure becomes a FAILED result."""
    progress(0.0, "loading torch")
    import torch

    from controller.pruning.bench import open_bench
    from controller.pruning.dense import make_dense
    from controller.pruning.prune import make_pruned
    from controller.pruning.spec import load_spec

    torch.set_num_threads(request.threads)
    try:
        bench = open_bench(load_spec(Path(request.spec_path)), Path(request.artifact_dir), request.seed, progress)
        if request.kind == "dense":
            return make_dense(bench)
        return make_pruned(bench, request.caps, request.start_from)
    except (WireError, ValueError, RuntimeError) as error:  # the errors of these modules say what and why themselves
        return JobResult(state=JobState.FAILED, detail=str(error))
    except Exception as error:  # the operator's own code may raise anything
        return JobResult(state=JobState.FAILED, detail=f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
