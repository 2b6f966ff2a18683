"""An ONNX artifact as one for ncnn (see `agent.worker.backends.ncnn`), by pnnx, ncnn's own converter."""

from __future__ import annotations

import io
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import onnx

from agent.worker.tensors import TensorSpec
from controller.pruning.errors import ExportError

_TIMEOUT_S = 300.0
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # what ZIP counts from: equal models are to be equal bytes


def to_ncnn(artifact: bytes) -> bytes:
    """The same network of float32, its weights as they were. Raises `ExportError` where pnnx or ncnn cannot."""
    graph = onnx.load_model_from_string(artifact).graph
    signature = {"inputs": list(map(_spec, graph.input)), "outputs": list(map(_spec, graph.output))}
    param, weights = _converted(artifact)
    if unknown := [line.split()[0] for line in param.decode().splitlines()[2:] if line.startswith("pnnx.")]:
        raise ExportError(f"ncnn has no operator for {', '.join(sorted(set(unknown)))} of the model")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        parts = (("json", msgspec.json.encode(signature)), ("param", param), ("bin", weights))
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(f"model.{name}", _NO_TIME), data)
    return packed.getvalue()


def _converted(artifact: bytes) -> tuple[bytes, bytes]:
    """ncnn's graph and weights."""
    try:
        import pnnx
    except ImportError:
        raise ExportError("models for ncnn need pnnx: pip install 'hedgerow[controller-ncnn]'") from None
    with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
        Path(folder, "model.onnx").write_bytes(artifact)
        command = [pnnx.EXEC_PATH, "model.onnx", "fp16=0"]
        try:
            ran = subprocess.run(command, cwd=folder, capture_output=True, timeout=_TIMEOUT_S, check=False)
            return Path(folder, "model.ncnn.param").read_bytes(), Path(folder, "model.ncnn.bin").read_bytes()
        except subprocess.TimeoutExpired:
            raise ExportError(f"pnnx had not converted the model after {_TIMEOUT_S:.0f} s") from None
        except FileNotFoundError:
            said = (ran.stdout + ran.stderr).decode(errors="replace").strip()[-300:]
            raise ExportError(f"pnnx cannot convert the model, code {ran.returncode}: {said}") from None


def _spec(value: Any) -> TensorSpec:
    kind = value.type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        raise ExportError(f"{value.name!r} is not of float32, which alone ncnn takes and gives here")
    return TensorSpec(value.name, "FP32", tuple(each.dim_value for each in kind.shape.dim))
