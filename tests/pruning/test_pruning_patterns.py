"""What was written out one by one is exported as the operator that the runtime has a kernel for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn.functional import relu6

from controller.pruning.artifact.export import export_onnx, run_artifact

Act = Callable[[torch.Tensor], torch.Tensor]


class Net(nn.Module):
    def __init__(self, act: Act) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.act = nn.Conv2d(3, 8, 3), act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.conv(x))


def exported(act: Act) -> Counter[str]:
    """The operators of the artifact, whose answers are the module's."""
    net, inputs = Net(act).eval(), torch.rand(4, 3, 8, 8) * 8 - 4
    artifact = export_onnx(net, inputs[:1])
    with torch.no_grad():
        np.testing.assert_allclose(run_artifact(artifact, inputs.numpy()), net(inputs).numpy(), atol=2e-6)
    assert artifact == export_onnx(net, inputs[:1])
    return Counter(node.op_type for node in onnx.load_model_from_string(artifact).graph.node)


@pytest.mark.parametrize(
    ("act", "operator"),
    [
        (lambda x: x * relu6(x + 3) / 6, "HardSwish"),
        (lambda x: x * (relu6(x + 3) / 6), "HardSwish"),
        (lambda x: (3 + x).clamp(0, 6) / 6 * x, "HardSwish"),
        (lambda x: relu6(x + 3) / 6, "HardSigmoid"),
        (lambda x: (x * 0.2 + 0.5).clamp(0, 1), "HardSigmoid"),
        (lambda x: (0.5 + 0.2 * x).clamp(0, 1), "HardSigmoid"),
    ],
)
def test_one_operator_where_there_is_one(act: Act, operator: str) -> None:
    assert exported(act) == {"Conv": 1, operator: 1}


@pytest.mark.parametrize(
    "act",
    [
        lambda x: (x * 0.2 + 0.5).clamp(0, 2),
        lambda x: (x * 0.2 + 0.5).clamp(-1, 1),
        lambda x: (x * x + 0.5).clamp(0, 1),
        lambda x: (x * torch.arange(6.0) + 0.5).clamp(0, 1),
        lambda x: x * relu6(x + 2) / 6,
        lambda x: x * (x + 3).clamp(0, 5) / 6,
    ],
)
def test_what_only_looks_like_it_stays(act: Act) -> None:
    assert exported(act)["Clip"] == 1


def test_what_others_read_too_is_still_there() -> None:
    def act(x: torch.Tensor) -> torch.Tensor:
        shifted = x * 0.2 + 0.5
        return shifted.clamp(0, 1) + shifted

    exported(act)
