"""Before anything loads onnxruntime: its official builds open connections unless told not to."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
