"""The net that the package rapidocr-onnxruntime tells a text's direction with, as a module of torch.

Its softmax is left out: what it answers are logits. `python direction.py` takes the net out of the package in
`packages` beside this file, and writes its weights there too.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import torch
from torch import nn

_HERE = Path(__file__).parent
_ONNX = _HERE / "direction.onnx"


class Flatten(nn.Module):
    """In place of a reshape to a shape that was computed."""

    def forward(self, x: torch.Tensor, _shape: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def build() -> nn.Module:
    """`[n, 3, 48, 192]` to `[n, 2]` logits; with the package's own weights."""
    sys.path.append(str(_HERE / "packages"))
    _stand_in_for_torchvision()
    import onnx2torch  # type: ignore[import-not-found]

    model: nn.Module = onnx2torch.convert(str(_ONNX))
    for name, _ in list(model.named_children()):
        if name.lower().startswith("softmax"):
            setattr(model, name, nn.Identity())
        elif name.startswith("Reshape"):
            setattr(model, name, Flatten())
    return model.eval()


def _stand_in_for_torchvision() -> None:
    """onnx2torch imports it for operators that this net has none of."""
    vision, operators = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    vision.ops = operators  # type: ignore[attr-defined]
    for name in ("roi_align", "nms", "batched_nms", "deform_conv2d", "DeformConv2d", "StochasticDepth"):
        setattr(operators, name, None)
    sys.modules.setdefault("torchvision", vision)
    sys.modules.setdefault("torchvision.ops", operators)


def _take_out() -> None:
    """As onnxruntime's basic optimisation leaves it, onnx2torch understands it."""
    import onnxruntime as ort
    from safetensors.torch import save_file

    (packaged,) = (_HERE / "packages" / "rapidocr_onnxruntime" / "models").glob("*cls*.onnx")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(_ONNX)
    ort.InferenceSession(str(packaged), options, providers=["CPUExecutionProvider"])
    save_file({name: each.contiguous() for name, each in build().state_dict().items()}, _HERE / "direction.safetensors")


if __name__ == "__main__":
    _take_out()
