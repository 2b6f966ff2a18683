"""`python -m agent.worker.wake RUNTIME SECONDS`: import a runtime and run its smallest model, to see whether it can.

It may end this process by a signal (an instruction that the processor lacks, a library built for another one), so each
step is told before it is taken, a line of the protocol each. It takes `SECONDS` at most, whoever has ended meanwhile.
"""

from __future__ import annotations

import os
import signal
import sys

from agent.wire.work import DoingLine, to_line


def main(runtime: str, within_s: int) -> None:
    """Raises what the runtime raises."""
    signal.alarm(within_s)  # unlike any timer of Python's own it also ends what hangs in a library
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print is no line of the protocol

    def tell(what: str) -> None:
        out.write(to_line(DoingLine(what=what)))

    tell("importing numpy")
    from agent.worker.runtime import backend, wake

    tell(f"importing {runtime}")
    found = backend(runtime)
    tell(f"running the smallest model of {runtime}")
    wake(found)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
