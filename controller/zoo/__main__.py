"""`python -m controller.zoo CACHE FOLDER`: train the wearable model, or take it from the cache, and write into FOLDER
its spec `model.yaml` and `replay.npy`, recorded windows for the demo's devices. Progress goes to stdout, a line each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from controller.zoo import wearable


def main() -> int:
    cache, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    weights = wearable.train(cache, lambda line: print(line, flush=True))
    wearable.write_spec(folder, weights)
    wearable.write_replay(folder / "replay.npy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
