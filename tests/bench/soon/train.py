"""`python -m tests.bench.soon.train FOLDER FACTORY DATA WEIGHTS EPOCHS RATE`: what a user did before bringing a model.

The same every time, and no longer than it takes to be clearly better than chance.
"""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import save_file

from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Split
from controller.pruning.model.outputs import answers
from controller.zoo.training import Recipe, fit
from tests.bench.soon.bring import function


def main() -> None:
    folder, factory, data, weights, epochs, rate = sys.argv[1:]
    build, drawn = function(Path(folder), factory), function(Path(folder), data)()
    recipe = Recipe(
        epochs=float(epochs),
        batch=32,
        rate=float(rate),
        decay=0.05,
        smoothing=0.0,
        augment=lambda batch, _dice: batch,
        seed=1,
        bfloat16=True,
        threads=1,
    )
    model = fit(build, Split(*drawn.train), recipe, lambda line: print(f"{factory}: {line}", flush=True))
    select = Split(*drawn.select)
    assert select.labels is not None
    print(f"{factory}: right in {classify(answers(model, select.inputs), select.labels).share:.1%} of the select split")
    save_file(model.state_dict(), Path(folder) / weights)


if __name__ == "__main__":
    main()
