"""`python -m controller.zoo CACHE FOLDER [wearable | residual | mobile]`: train a model, or take it from the cache, and
write into FOLDER its spec `model.yaml` and `replay.npy`, recorded inputs for devices that have no sensor. Progress goes
to stdout, a line each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from controller.zoo.reference import NAMES, find_reference


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3) or arguments[2:] not in ([], *([name] for name in NAMES)):
        print(__doc__, file=sys.stderr)
        return 2
    cache, folder = map(Path, arguments[:2])
    reference = find_reference(*(arguments[2:] or NAMES[:1]))
    reference.write_spec(folder, reference.train(cache, lambda line: print(line, flush=True)))
    reference.write_replay(folder / "replay.npy")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
