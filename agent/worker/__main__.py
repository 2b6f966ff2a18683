"""Entry point: read the spec, try the artifact, wait for the word, serve until told to end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from agent.wire.work import DoingLine, Drain, Go, WorkerSpec, read_word, to_line


@dataclass
class _Words:
    """What the parent said; when its pipe ends, also in the middle of a trial, so does this process.

    `within_s` is for draining, and known once `ending` is set.
    """

    go: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)
    within_s: float = 0.0

    def listen(self) -> None:
        for line in sys.stdin.buffer:
            match read_word(line):
                case Go():
                    self.go.set()
                case Drain(within_s=within_s):
                    if not self.go.is_set():
                        break  # nobody was served yet
                    self.within_s = within_s
                    self.ending.set()
        os._exit(0)


def main() -> int:
    """The exit code. What went wrong is on stderr: an exception that left this process would take its reason along."""
    for number in (signal.SIGTERM, signal.SIGINT):  # those to the whole group: its end is the parent's to give
        signal.signal(number, signal.SIG_IGN)
    try:
        _run()
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _run() -> None:
    # Libraries print to stdout; the protocol gets a descriptor of its own and their prints go to stderr.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    spec = msgspec.json.decode(line, type=WorkerSpec)
    words = _Words()
    threading.Thread(target=words.listen, daemon=True).start()
    _work(spec, words, lambda message: out.write(to_line(message)))


def _work(spec: WorkerSpec, words: _Words, say: Callable[[msgspec.Struct], object]) -> None:
    say(DoingLine(what="importing numpy"))
    # All that serving needs is loaded before the trial measures the base: it is the runtime's share, not the model's.
    from agent.worker.api import Api
    from agent.worker.http import HttpServer
    from agent.worker.serve import serve
    from agent.worker.service import Service, exercise_of, recorded_inputs
    from agent.worker.trial import run_trial

    sockets = [socket.socket(fileno=each) for each in spec.listen]
    recorded = recorded_inputs(spec.exercise)
    verdict, session = run_trial(spec, say)
    say(verdict)
    if session is None:
        return
    words.go.wait()
    service = Service(spec, session)
    api = Api(service, spec.model)
    http = HttpServer(sockets, api.answer, api.most_bytes, service.shed)
    http.start()
    serve(spec, service, exercise_of(spec, session, recorded), say, words.ending)
    http.drain(words.within_s)
    say(service.close_window())  # what was answered since the last one, also while draining


if __name__ == "__main__":
    os._exit(main())  # the listening thread holds stdin, over which the interpreter's own end would stumble
