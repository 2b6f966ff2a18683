"""What the files of artifacts are called: by their digest, and by the format that an operator may open them as."""

from __future__ import annotations

from collections.abc import Mapping

SUFFIXES: Mapping[str, str] = {"onnxruntime": ".onnx", "ncnn": ".ncnn.zip"}


def file_name(sha256: str, runtime: str) -> str:
    return f"{sha256}{SUFFIXES[runtime]}"
