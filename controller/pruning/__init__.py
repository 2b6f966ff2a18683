"""One trained network in, one measured artifact under a device's caps out.

The daemon uses `controller.pruning.job` and `controller.pruning.spec`, which import no torch. What does run torch, and
with it the operator's own model code, runs in a job's process (`controller.pruning.jobs.child`).
"""

import os

# The official builds of onnxruntime report to their maker over the network unless told otherwise before they load.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
