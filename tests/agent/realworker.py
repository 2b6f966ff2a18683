"""A real worker process on a real artifact, without an agent around it."""

from __future__ import annotations

import queue
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from agent.wire.messages import Trial
from agent.wire.work import TrialLine, WindowLine, WorkerSpec
from agent.workers import Ended, Said, WorkerNews, Workers

ID = 1


class RealWorker:
    """Started with the spec's fields; `doors` are what it serves on."""

    def __init__(self, path: Path, doors: Sequence[socket.socket] = (), **spec: object) -> None:
        self.news: queue.SimpleQueue[WorkerNews] = queue.SimpleQueue()
        self.workers = Workers(self.news.put, doors)
        runtime = "ncnn" if path.read_bytes().startswith(b"PK") else "onnxruntime"
        usual = {"path": str(path), "sha256": "0" * 64, "runtime": runtime, "samples": 10, "exercise": "none"}
        self.workers.start(ID, WorkerSpec(**{"model": "m@1", **usual, **spec}))  # type: ignore[arg-type]

    def __enter__(self) -> RealWorker:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.workers.close()
        self.workers.forget(ID)

    def trial(self) -> Trial:
        """The first thing that it says."""
        said = self.news.get(timeout=60)
        assert isinstance(said, Said), said
        assert isinstance(said.line, TrialLine)
        return said.line.trial

    def window(self) -> WindowLine:
        said = self.news.get(timeout=60)
        assert isinstance(said, Said), said
        assert isinstance(said.line, WindowLine)
        return said.line

    def ended(self) -> Ended:
        """Its end, whatever it says before."""
        while not isinstance(said := self.news.get(timeout=60), Ended):
            pass
        return said
