"""How long kernels take here: timed once with the agent's own runtime, kept in a file per host and runtime version."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from controller.core.nouns.variant import Precision
from controller.pruning.artifact.measure import measure
from controller.pruning.cost.kernels import Bench, Kernel, emit
from controller.pruning.errors import TableError

_ROUNDS = 2
_RUNS = (1, 11)
_BUDGET_S = 0.3  # of kernel time for one session; heavy kernels are timed fewer times
_GAP_S = 0.004  # as the worker measures: back to back the caches would flatter
_SESSION_KERNELS, _SESSION_BYTES = 64, 96 << 20

_START = "start"
_SMALL = Kernel("gemm", (), (), Precision.FP32, (1, 16, 8))
_IDLE = Kernel("unary", ("Neg",), (), Precision.FP32, (1,))
_NODE_S = 0.6e-6  # of a node that does nothing, outside the profiler: the slope of chains of 1 to 65 of them
_FIRST = Kernel(
    "conv", ((32, 32), (3, 3), (1, 1), (1, 1), (1, 1), (0, 0), False), ("act",), Precision.FP32, (16, 16, 1)
)


class Tables:
    """Seconds by kernel. `folder` keeps them between processes; without one they live as long as this object.

    `told` hears the share that is done where kernels have to be timed.
    """

    def __init__(self, folder: Path | None = None, told: Callable[[float], None] = lambda _share: None) -> None:
        self._told = told
        self._path = None if folder is None else folder / f"{host_name()}.jsonl"
        self._seconds = {} if self._path is None else _read(self._path)
        self.measured = 0  # kernels timed by this object

    def seconds(self, kernels: Sequence[Kernel]) -> list[float]:
        """The time of each; what is not known yet is measured first. Raises `TableError`."""
        missing = [kernel for kernel in dict.fromkeys(kernels) if _key(kernel) not in self._seconds]
        if missing:
            self.measured += len(missing)
            # Rounds apart in time: a busy host is slow for a while, and that while must not decide.
            rounds = [self._timed(missing, number) for number in range(_ROUNDS)]
            self._keep(
                {_key(kernel): min(times) for kernel, times in zip(missing, zip(*rounds, strict=True), strict=True)}
            )
        return [self._seconds[_key(kernel)] for kernel in kernels]

    def _timed(self, kernels: Sequence[Kernel], number: int) -> list[float]:
        """The round of this number."""
        times = list[float]()
        for chunk in _chunks(kernels):
            self._told((number + len(times) / len(kernels)) / _ROUNDS)
            times += time_kernels(chunk)
        return times

    def start_seconds(self) -> float:
        """What a run takes beside its kernels in a worker: the call, and waking up after the pause before it."""
        (kernel,) = self.seconds([_SMALL])
        if _START not in self._seconds:
            self._keep({_START: max(0.0, _run_seconds(_SMALL) - kernel)})
        return self._seconds[_START]

    def _keep(self, rows: dict[str, float]) -> None:
        self._seconds.update(rows)
        if self._path is not None:
            _append(self._path, rows)
            self._seconds.update(_read(self._path))  # another process may have timed the same first: its times hold


def host_name() -> str:
    """What the times hold for: the processor's kind and the runtime's version."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
        steady = [line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "flags", "Features"))]
        digest = sha256("\n".join(steady).encode()).hexdigest()[:12]
        return f"{platform.machine()}-{digest}-ort{ort.__version__}"
    return f"{platform.machine()}-ort{ort.__version__}"


def time_kernels(kernels: Sequence[Kernel]) -> list[float]:
    """Seconds of each kernel: the mean of the faster half of its runs, in one session with all of them.

    The profiler itself takes longer than a small kernel. What it adds to a node is read off one that does next to
    nothing.
    """
    bench = Bench()
    emit(bench, "first", _FIRST)  # whichever end the runtime begins at wakes the processor up
    for index, kernel in enumerate(kernels):
        emit(bench, f"k{index}", kernel)
    emit(bench, "idle", _IDLE)
    emit(bench, "last", _FIRST)
    with tempfile.TemporaryDirectory() as folder:
        try:
            events = _profile(bench.model(), Path(folder))
        except Exception as error:  # onnxruntime raises its own types
            raise TableError(f"a kernel does not run: {type(error).__name__}: {error}") from error
    parts = [list[float]() for _ in kernels]
    runs = _node_runs(events)
    added = min(_faster_half(seconds) for name, seconds in runs.items() if name.startswith("idle_")) - _NODE_S
    for name, seconds in runs.items():
        prefix = name.partition("_")[0]
        if prefix.startswith("k") and prefix[1:].isdigit():
            parts[int(prefix[1:])].append(max(_NODE_S, _faster_half(seconds) - added))
    return [sum(each) for each in parts]


def _run_seconds(kernel: Kernel) -> float:
    """A whole run of a network of one kernel, in workers of the agent's own."""
    bench = Bench()
    emit(bench, "k0", kernel)
    data = bench.model()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.onnx"
        path.write_bytes(data)
        return measure(path, sha256(data).hexdigest(), 0, samples=20, repeats=10).latency_p50_s


def _profile(model: bytes, folder: Path) -> list[Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    dice = np.random.default_rng(0)
    inputs = {each.name: _random(each, dice) for each in session.get_inputs()}
    outputs = [each.name for each in session.get_outputs()]
    session.run(outputs, inputs)
    began = time.perf_counter()
    session.run(outputs, inputs)
    lasts = time.perf_counter() - began
    for _ in range(int(np.clip(_BUDGET_S / lasts, *_RUNS))):
        time.sleep(_GAP_S)
        session.run(outputs, inputs)
    return list(json.loads(Path(session.end_profiling()).read_text(encoding="utf-8")))


def _random(tensor: Any, dice: np.random.Generator) -> Any:
    if tensor.type == "tensor(uint8)":
        return dice.integers(0, 255, tensor.shape).astype(np.uint8)
    return dice.standard_normal(tensor.shape, dtype=np.float32)


def _node_runs(events: Iterable[Any]) -> dict[str, list[float]]:
    """Seconds of every node in every run but the first, which loads."""
    runs = dict[str, list[float]]()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            runs.setdefault(event["name"].removesuffix("_kernel_time"), []).append(event["dur"] * 1e-6)
    return {name: seconds[1:] for name, seconds in runs.items()}


def _faster_half(seconds: list[float]) -> float:
    ordered = sorted(seconds)[: (len(seconds) + 1) // 2]
    return float(np.mean(ordered)) if ordered else 0.0


def _chunks(kernels: Sequence[Kernel]) -> Iterator[list[Kernel]]:
    chunk, held = list[Kernel](), 0
    for kernel in kernels:
        if chunk and (len(chunk) == _SESSION_KERNELS or held + kernel.bytes_held > _SESSION_BYTES):
            yield chunk
            chunk, held = [], 0
        chunk.append(kernel)
        held += kernel.bytes_held
    if chunk:
        yield chunk


def _key(kernel: Kernel) -> str:
    parts = [kernel.kind, kernel.fixed, sorted(kernel.fused), kernel.precision, kernel.sizes]
    return json.dumps(parts, separators=(",", ":"))


def _read(path: Path) -> dict[str, float]:
    seconds = dict[str, float]()
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a torn last line
                row = json.loads(line)
                seconds.setdefault(str(row["kernel"]), float(row["seconds"]))
    return seconds


def _append(path: Path, rows: dict[str, float]) -> None:
    """One write, so that two processes do not mix their lines; a torn line before it is closed by the first newline."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"kernel": key, "seconds": seconds}) for key, seconds in rows.items()]
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, ("\n" + "\n".join(lines) + "\n").encode())
    finally:
        os.close(handle)
