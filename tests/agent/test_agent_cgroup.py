"""Groups for workers, in a folder that looks like cgroup v2. No test here has the kernel enforce a cap."""

from __future__ import annotations

import os
import queue
from pathlib import Path

import pytest

from agent.cgroup import Cgroups, open_cgroups
from agent.wire.work import WorkerSpec
from agent.workers import Ended, WorkerNews, Workers

SLICE = "system.slice/hedgerow-agent.service"


def tree(home: Path, controllers: str = "cpu memory pids", own: str = SLICE) -> tuple[Path, Path, Path]:
    """The root, what /proc/self/cgroup says, and the agent's own group."""
    (home / "self").write_text(f"1:name=systemd:/x\n0::/{own}\n")
    base = home / "cgroup" / SLICE
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text(controllers)
    return home / "cgroup", home / "self", base


@pytest.mark.parametrize("own", [SLICE, f"{SLICE}/supervisor"])
def test_the_agent_moves_aside_and_hands_memory_on(tmp_path: Path, own: str) -> None:
    root, itself, base = tree(tmp_path, own=own)
    assert open_cgroups(root, itself) is not None
    assert (base / "supervisor/cgroup.procs").read_text() == str(os.getpid())
    assert (base / "cgroup.subtree_control").read_text() == "+memory"


def test_without_the_controller_or_the_right_there_are_none(tmp_path: Path) -> None:
    root, itself, base = tree(tmp_path, controllers="cpu pids")
    assert open_cgroups(root, itself) is None
    (base / "cgroup.controllers").write_text("memory")
    (base / "supervisor").write_text("a file: making the group fails")
    assert open_cgroups(root, itself) is None
    assert open_cgroups(root, tmp_path / "nothing") is None
    itself.write_text("4:memory:/old\n")
    assert open_cgroups(root, itself) is None


def test_a_worker_is_capped_and_its_end_is_read(tmp_path: Path) -> None:
    groups = Cgroups(tmp_path)
    groups.cap(3, 4711, 64 * 2**20)
    group = tmp_path / "worker-3"
    assert {each.name: each.read_text() for each in group.iterdir()} == {
        "memory.max": str(64 * 2**20),
        "memory.swap.max": "0",
        "cgroup.procs": "4711",
    }
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n")
    assert groups.ended(3)
    (group / "memory.events").write_text("low 0\nmax 12\noom_kill 0\n")
    assert not groups.ended(3)
    assert not groups.ended(99)


@pytest.mark.e2e
def test_a_worker_of_the_agent_is_capped_before_it_loads_anything(tmp_path: Path) -> None:
    news: queue.SimpleQueue[WorkerNews] = queue.SimpleQueue()
    workers = Workers(news.put, cgroups=Cgroups(tmp_path))
    (tmp_path / "worker-1").mkdir()
    (tmp_path / "worker-1/memory.events").write_text("oom_kill 1\n")
    workers.start(1, WorkerSpec(path="/nonexistent.onnx", sha256="0" * 64, ram_total_bytes=12345678))
    while not isinstance(said := news.get(timeout=20), Ended):
        pass
    assert (said.out_of_memory, said.detail.partition(",")[0]) == (True, "ended at its memory cap")
    assert (tmp_path / "worker-1/memory.max").read_text() == "12345678"
    workers.forget(1)
