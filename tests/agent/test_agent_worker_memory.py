from __future__ import annotations

from pathlib import Path

import pytest

from agent.worker import memory


def test_a_library_and_a_kernel_that_cannot_settle_end_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())  # musl has no malloc_trim
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "none" / "clear_refs")
    memory.settle()


def test_the_high_water_mark_starts_from_here() -> None:
    much = bytearray(64 * 2**20)
    much[::4096] = b"1" * len(much[::4096])
    high = memory.peak_bytes()
    del much
    memory.settle()
    assert memory.peak_bytes() < high - 32 * 2**20
