"""What the files of artifacts are called: by their digest, and by the format that an operator may open them as."""

from __future__ import annotations

from collections.abc import Mapping

from agent.wire.profile import Runtime

SUFFIXES: Mapping[Runtime, str] = {Runtime.ONNXRUNTIME: ".onnx", Runtime.NCNN: ".ncnn.zip"}


def file_name(sha256: str, runtime: Runtime) -> str:
    return f"{sha256}{SUFFIXES[runtime]}"
