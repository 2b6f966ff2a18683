"""Entry point: read the spec, try the artifact, wait for the word, serve until stdin ends."""

from __future__ import annotations

import os
import sys
import threading

import msgspec

from agent.wire.work import Go, WorkerSpec, to_line


def main() -> int:
    # Libraries print to stdout; the protocol gets a descriptor of its own and their prints go to stderr.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    spec = msgspec.json.decode(line, type=WorkerSpec)
    go = threading.Event()
    threading.Thread(target=_listen, args=(go,), daemon=True).start()

    # All that serving needs is loaded before the trial measures the base: it is the runtime's share, not the model's.
    from agent.worker.serve import recorded_inputs, serve
    from agent.worker.trial import run_trial

    recorded = recorded_inputs(spec)
    verdict, session = run_trial(spec)
    out.write(to_line(verdict))
    if session is not None:
        go.wait()
        serve(spec, session, recorded, lambda window: out.write(to_line(window)))
    return 0


def _listen(go: threading.Event) -> None:
    """Hear the parent's word; when its pipe ends, also in the middle of a trial, so does this process."""
    for line in sys.stdin.buffer:
        if isinstance(msgspec.json.decode(line, type=Go), Go):
            go.set()
    os._exit(0)


if __name__ == "__main__":
    os._exit(main())  # the listening thread holds stdin, over which the interpreter's own end would stumble
