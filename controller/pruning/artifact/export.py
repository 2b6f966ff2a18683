"""A model as the bytes that devices run: one ONNX file of batch 1, without a trace of where it was made."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import nn

from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import answers

_TOLERANCE = 1e-3  # absolute plus relative; fp32 in another order of sums stays below 1e-4


class ExportError(RuntimeError):
    """A model that cannot be exported, or an artifact that does not answer as the model does."""


def export_onnx(model: nn.Module, sample: torch.Tensor) -> bytes:
    """The fp32 artifact of `model`, whose input is shaped as `sample` (batch of 1). Raises `ExportError`."""
    model.eval()
    try:
        with _silence():
            program = torch.onnx.export(model, (sample,), dynamo=True, external_data=False, verbose=False)
            assert program is not None
            proto = program.model_proto
    except Exception as error:  # the exporter runs the operator's code and raises anything
        raise ExportError(f"the model cannot be exported to ONNX: {type(error).__name__}: {error}") from error
    _strip(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def write_artifact(data: bytes, path: Path) -> None:
    """Put `data` at `path` at once and for good: synced, renamed, and the folder synced too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def run_artifact(artifact: bytes, inputs: Floats) -> Floats:
    """The artifact's first output for each of `inputs`, one by one as a device does: `[n, ...]`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
    return np.concatenate([session.run([output], {name: each[np.newaxis]})[0] for each in inputs])


def check_parity(model: nn.Module, artifact: bytes, inputs: Floats) -> float:
    """The largest difference between model and artifact, absolute plus relative, on `inputs`.

    Raises `ExportError` above the fp32 tolerance, or where a top-1 answer changes that is not a tie within it.
    """
    expected, got = answers(model, inputs), run_artifact(artifact, inputs)
    if expected.shape != got.shape:
        raise ExportError(f"the artifact's output is {list(got.shape[1:])}, the model's {list(expected.shape[1:])}")
    worst = float(np.max(np.abs(got - expected) / (1 + np.abs(expected))))
    if not worst <= _TOLERANCE:
        raise ExportError(f"the artifact's answers differ from the model's by {worst:.2g}, allowed {_TOLERANCE:g}")
    if expected.ndim == 2 and expected.shape[1] > 1:
        _check_top1(expected, got)
    return worst


def _check_top1(expected: Floats, got: Floats) -> None:
    ordered = np.sort(expected, axis=1)
    decided = ordered[:, -1] - ordered[:, -2] > _TOLERANCE * (1 + np.abs(ordered[:, -1]))
    changed = int((decided & (expected.argmax(axis=1) != got.argmax(axis=1))).sum())
    if changed:
        raise ExportError(f"{changed} of {len(expected)} top-1 answers changed in the export")


def _strip(proto: Any) -> None:
    """Remove what the exporter notes for debugging: it embeds stack traces and with them paths of this machine."""
    del proto.metadata_props[:]
    proto.doc_string = ""
    for part in (proto.graph, *proto.functions):
        _strip_part(part)
    onnx.checker.check_model(proto)


def _strip_part(part: Any) -> None:
    part.doc_string = ""
    del part.metadata_props[:]
    values = [*part.value_info, *getattr(part, "input", []), *getattr(part, "output", [])]
    for each in (*part.node, *getattr(part, "initializer", []), *(v for v in values if not isinstance(v, str))):
        each.doc_string = ""
        del each.metadata_props[:]
    for node in part.node:
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                _strip_part(graph)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter talks on stdout, in warnings and in logs about its own internals."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")
    sink = io.StringIO()
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
