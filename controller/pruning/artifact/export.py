"""A model as the bytes that devices run: one ONNX file of batch 1, without a trace of where it was made."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from agent.wire.profile import Runtime
from agent.worker.runtime import backend, bind
from controller.pruning.artifact.patterns import with_kernels
from controller.pruning.artifact.slim import slim
from controller.pruning.errors import ExportError
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import all_outputs, joined, output_name


def export_onnx(model: nn.Module, sample: torch.Tensor) -> bytes:
    """The fp32 artifact of `model`, whose input is shaped as `sample` (batch of 1). Raises `ExportError`."""
    model.eval()
    try:
        with silence():
            program = torch.onnx.export(
                model,
                (sample,),
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=["input"],
                output_names=_output_names(model, sample),
            )
            assert program is not None
            program.model = with_kernels(program.model)
            proto = program.model_proto
    except (OSError, MemoryError):  # of this host, at this time: the model is not to blame
        raise
    except Exception as error:  # the exporter runs the operator's code and raises anything
        raise ExportError(f"the model cannot be exported to ONNX: {type(error).__name__}: {error}") from error
    return slim(proto)


@torch.no_grad()
def _output_names(model: nn.Module, sample: torch.Tensor) -> list[str]:
    return [output_name(number) for number, _ in enumerate(all_outputs(model(sample)))]


def run_artifact(artifact: bytes, inputs: Floats, runtime: Runtime = Runtime.ONNXRUNTIME) -> Floats:
    """The artifact's first output for each of `inputs`, one by one as a device does: `[n, ...]`."""
    return run_outputs(artifact, inputs, runtime)[0]


def run_outputs(artifact: bytes, inputs: Floats, runtime: Runtime = Runtime.ONNXRUNTIME) -> tuple[NDArray[Any], ...]:
    """All of them, `joined`."""
    session = backend(runtime).open_session(artifact)
    return joined(session.run(bind(session, each)) for each in inputs)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Exporter and quantiser talk on stdout, in warnings and in logs about their own internals."""
    sink = io.StringIO()
    disabled, handlers = logging.root.manager.disable, logging.root.handlers[:]
    logging.disable(logging.CRITICAL)
    ort.set_default_logger_severity(4)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        ort.set_default_logger_severity(2)  # onnxruntime's own default; it cannot be asked
        logging.root.handlers[:] = handlers  # `logging.warning` adds one where there is none
        logging.disable(disabled)
