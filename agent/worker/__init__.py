"""The inference worker: a disposable process, and the only room of the agent with numpy and onnxruntime.

`python -m agent.worker` speaks the protocol of `agent.wire.work` over its pipes. One worker holds one artifact for its
whole life; a swap starts another process, because a runtime does not give its memory back.
"""
