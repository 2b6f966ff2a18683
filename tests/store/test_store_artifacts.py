"""Artifacts by digest: whole or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from controller.store import ArtifactError, Artifacts


def test_put_then_read(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts")
    sha256 = artifacts.put(b"onnx")
    assert sha256 == artifacts.put(b"onnx") == hashlib.sha256(b"onnx").hexdigest()
    assert artifacts.read(sha256) == b"onnx"
    assert list((tmp_path / "artifacts").iterdir()) == [artifacts.path(sha256)]


def test_missing_and_damaged_are_told_apart(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    with pytest.raises(ArtifactError, match="is not in"):
        artifacts.read("a" * 64)
    sha256 = artifacts.put(b"onnx")
    artifacts.path(sha256).write_bytes(b"0nnx")
    with pytest.raises(ArtifactError, match="damaged"):
        artifacts.read(sha256)
    artifacts.put(b"onnx")
    assert artifacts.read(sha256) == b"onnx"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_what_is_no_digest_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="not a SHA-256"):
        Artifacts(tmp_path).path(name)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        Artifacts(tmp_path).put(b"onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    sha256 = artifacts.put(b"onnx")
    (tmp_path / "tmp1234.part").write_bytes(b"on")
    artifacts.sweep()
    assert list(tmp_path.iterdir()) == [artifacts.path(sha256)]
