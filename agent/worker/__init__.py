"""The inference worker: a disposable process, and the only room of the agent with numpy and onnxruntime.

`python -m agent.worker` speaks the protocol of `agent.wire.work` over its pipes. One worker holds one artifact for its
whole life; a swap starts another process, because a runtime does not give its memory back.
"""

import os

# From 1.29 on the official builds of onnxruntime report to their maker over the network unless told otherwise before
# they load. A device's traffic is its owner's business, and the threads for it take 0.7 MiB in the middle of service.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
