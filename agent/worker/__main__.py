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

    from agent.worker.trial import run_trial

    verdict, session = run_trial(spec)
    out.write(to_line(verdict))
    if session is None or not _told_to_go():
        return 0
    threading.Thread(target=_end_with_parent, daemon=True).start()

    from agent.worker.serve import serve

    serve(spec, session, lambda window: out.write(to_line(window)))
    return 0


def _told_to_go() -> bool:
    line = sys.stdin.buffer.readline()
    return bool(line) and isinstance(msgspec.json.decode(line, type=Go), Go)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
