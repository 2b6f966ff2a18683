"""`python -m tests.bench.soon.step SPEC`: the memory that loading a model and its data and one step of training take.

The most of it, said in bytes on stdout: what a job's own memory is held against.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.model.load import load_model
from controller.pruning.spec import load_spec
from tests.bench.soon.memory import peak_of_this

_BATCH = 64  # as a recovery's


def main() -> None:
    torch.set_num_threads(2)
    loaded = load_model(load_spec(Path(sys.argv[1])))
    assert loaded.data is not None
    inputs, labels = loaded.data.train
    assert labels is not None
    model = loaded.module.train()
    optimiser = torch.optim.AdamW(model.parameters())
    loss = F.cross_entropy(model(torch.from_numpy(inputs[:_BATCH])), torch.from_numpy(labels[:_BATCH]))
    torch.autograd.backward(loss)
    optimiser.step()
    print(peak_of_this())


if __name__ == "__main__":
    main()
