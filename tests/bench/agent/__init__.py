"""What the agent takes of a device, and what it adds to an inference, beside the bare runtime and a script by hand."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "agent"))  # the tests' own helpers, which are no package
