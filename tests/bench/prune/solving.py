"""How long one solve takes for a ResNet-18, whose blocks may be dropped.

By kernels timed here and without training, as only the time is asked for.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.core.nouns.variant import Precision
from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.grain import grains
from controller.pruning.cost.model import describe_costs
from controller.pruning.cost.price import Price
from controller.pruning.cost.runs import run_widths
from controller.pruning.cost.tables import Tables
from controller.pruning.estimate.magnitude import magnitude
from controller.pruning.graph.blocks import find_blocks
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.probe import sound_groups
from controller.pruning.graph.structure import full, inside
from controller.pruning.paces import host_folder
from controller.pruning.solve.choose import Choice, Space, choose
from controller.pruning.solve.curves import WorthCurves, magnitude_worth
from controller.zoo.residual import Block

_PIXELS, _FLOOR = 64, 8
_STAGES = ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
_SHARES = (0.8, 0.5, 0.3)


class ResNet18(nn.Module):
    """After K. He et al. (2016), for images of 64 x 64 pixels: `[n, 3, 64, 64]` to `[n, 1000]`; 11.7 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        widths = (64, *(channels for channels, _ in _STAGES))
        self.blocks = nn.Sequential(
            *(Block(width, channels, stride) for width, (channels, stride) in zip(widths, _STAGES, strict=False))
        )
        self.head = nn.Linear(512, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 3, 2, 1)
        logits: torch.Tensor = self.head(self.blocks(x).mean((2, 3)))
        return logits


def solves() -> dict[str, Any]:
    """Seconds of each solve, under latency, storage and live RAM together; kernels new to this host are timed first."""
    torch.manual_seed(0)
    model, sample = ResNet18().eval(), torch.randn(1, 3, _PIXELS, _PIXELS)
    blocks = find_blocks(model, sample)
    groups, _ = sound_groups(model, sample, find_groups(model, sample)[0], 0, blocks)
    runs = run_widths(model, sample, groups, blocks)
    costs = describe_costs(runs, Precision.FP32, Tables(host_folder() / "kernels"))
    widths, curves = full(groups).widths, magnitude_worth(magnitude(model, groups)).curves
    worth = WorthCurves(curves, dict.fromkeys(blocks, 1.0))  # to drop a block loses as much as a whole group
    space = Space(grains(costs, widths), dict.fromkeys(widths, _FLOOR), inside(groups, blocks))
    dense, rows = costs.price(widths), []
    for share in _SHARES:
        began = time.perf_counter()
        chosen = choose(Choice(widths), costs, worth, _budgets(dense, share), space)
        rows.append({"share": share, "seconds": time.perf_counter() - began, "fits": chosen.fits})
    parameters = sum(each.numel() for each in model.parameters())
    return {"parameters": parameters, "groups": len(groups), "blocks": len(blocks), "solves": rows}


def _budgets(dense: Price, share: float) -> Budgets:
    """So much of what the dense model takes, of each."""
    ram_bytes = (dense.weights_bytes + float(dense.live_bytes.max())) * share
    return Budgets(latency_s=dense.latency_s * share, weights_bytes=dense.weights_bytes * share, ram_bytes=ram_bytes)
