"""Standard output can fail: it is full, closed, of another encoding, or nobody reads it any more.

Each is one line on stderr and exit 1, but for a reader who left, of whom nobody wants to hear.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TextIO

FAILED = 1


class OutputError(Exception):
    """Standard output did not take what was printed, with why; empty where its reader is gone."""


class _Bytes(io.RawIOBase):
    """Standard output, whose failures cannot be taken for those of another file; None where it is closed."""

    name = "<stdout>"

    def __init__(self, out: BinaryIO | None) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._out is not None and self._out.isatty()

    def fileno(self) -> int:
        return super().fileno() if self._out is None else self._out.fileno()

    def write(self, data: Any, /) -> int:
        if self._out is None:
            raise OutputError("is closed")
        with _named():
            return self._out.write(data)

    def flush(self) -> None:
        if self._out is not None:
            with _named():
                self._out.flush()


class _Text(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except UnicodeEncodeError as error:
            letter, known = error.object[error.start], self.encoding
            raise OutputError(
                f"is in {known}, which has no {letter!a}; PYTHONIOENCODING=utf-8 is one that has"
            ) from None


def printing(prefix: str, run: Callable[[], int]) -> int:
    """The exit code of `run`, or 1 where standard output does not take all that it prints, said with `prefix`.

    What `run` raises passes through.
    """
    _open_closed()
    usual, sys.stdout = sys.stdout, _text()
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except OutputError as error:
        _forget_the_rest()
        if str(error):
            sys.stderr.write(f"{prefix}: standard output {error}\n")
        return FAILED
    finally:
        sys.stdout.detach()
        sys.stdout = usual


@contextlib.contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise OutputError from None
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}") from None


def _text() -> _Text:
    out: TextIO | None = sys.stdout
    if out is None:
        return _Text(_Bytes(None), "utf-8", write_through=True)
    through = getattr(out, "write_through", False)
    return _Text(_Bytes(out.buffer), out.encoding, out.errors, None, bool(out.line_buffering), through)


def _open_closed() -> None:
    """Give each standard stream its number, else the next file that is opened gets it, and what others print."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace", write_through=True)


def _forget_the_rest() -> None:
    """What is still buffered would fail once more when the interpreter ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
