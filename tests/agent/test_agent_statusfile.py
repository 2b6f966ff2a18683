from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from inprocess import running

from agent.statusfile import StatusFile
from agent.step import Setup, State

STATE = State(
    setup=Setup(device="dev-1", boot="b", agent_version="0", architecture="x", runtimes=(), profile="device: dev-1")
)


def test_it_is_written_where_something_changed(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    file = StatusFile(path)
    file.tell(STATE, 0.0)
    written = path.stat()
    file.tell(STATE, 0.0)
    assert path.stat() == written
    file.tell(STATE, 1.5)
    assert json.loads(path.read_bytes())["busy_s_total"] == 1.5
    file.tell(replace(STATE, link_up=True), 1.5)
    assert json.loads(path.read_bytes())["connected"] is True


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "not there yet" / "status.json"
    file = StatusFile(path)
    file.tell(STATE, 0.0)
    path.parent.mkdir()
    file.tell(STATE, 0.0)
    assert path.exists()


@pytest.mark.e2e
def test_an_idle_agent_leaves_its_medium_alone(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        assert broker.wait((tmp_path / "status.json").exists)
        before = {each: each.stat() for each in tmp_path.iterdir()}
        time.sleep(1.5)
        assert {each: each.stat() for each in tmp_path.iterdir()} == before
