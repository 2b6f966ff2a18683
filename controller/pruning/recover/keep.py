"""A recovery on disk: what a job that is killed needs to go on as if it had not been, to the bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from controller.durable import put_file

EVERY_S = 20.0


class Progressed(msgspec.Struct, frozen=True, kw_only=True):
    """How far it has come: batches `done` and used of this epoch's order (`at`), the best score and when it rose, as a
    share of the budget, the checks since, and the CPU time used."""

    done: int
    at: int
    best_score: float
    risen_at: float
    checks: int
    cpu_s: float


@dataclass
class Keep:
    """In `file`, at most every `EVERY_S` seconds; half a write and what another release left are passed over."""

    file: Path
    clock: Callable[[], float] = time.monotonic
    _put_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._put_s = self.clock()

    @property
    def due(self) -> bool:
        return self.clock() - self._put_s >= EVERY_S

    def put(self, progressed: Progressed, tensors: Mapping[str, torch.Tensor]) -> None:
        """All of it is on disk when this returns."""
        told = {"progressed": msgspec.json.encode(progressed).decode()}
        put_file(save({name: each.detach().contiguous().clone() for name, each in tensors.items()}, told), self.file)
        self._put_s = self.clock()

    def get(self) -> tuple[Progressed, dict[str, torch.Tensor]] | None:
        """What was put last; None where there is nothing that can be used."""
        try:
            with safe_open(self.file, "pt") as file:
                progressed = msgspec.json.decode((file.metadata() or {})["progressed"], type=Progressed)
                return progressed, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (FileNotFoundError, SafetensorError, KeyError, msgspec.MsgspecError):
            return None

    def drop(self) -> None:
        """It came to its end."""
        self.file.unlink(missing_ok=True)
