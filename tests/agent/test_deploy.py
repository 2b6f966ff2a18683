"""The examples in deploy/ are read by the code that users give them to."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from fleet import KEY

from agent.config import load_config
from agent.wire.profile import parse_profile

DEPLOY = Path(__file__).parents[2] / "deploy"
PROFILES = sorted((DEPLOY / "profiles").glob("*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_is_whole_and_cites_its_figures(path: Path) -> None:
    text = path.read_text()
    profile = parse_profile(text, path.name)
    assert profile.thermal is not None
    assert profile.power is not None
    sustained_watts = (
        profile.thermal.limit_celsius - profile.thermal.guard_celsius - profile.thermal.ambient_celsius
    ) / profile.thermal.resistance_celsius_per_watt
    assert sustained_watts > profile.power.idle_watts
    assert "# Cited: [1] " in text
    assert "# Assumed, to be measured on yours: " in text


def test_there_is_a_profile_for_each_board_that_is_promised() -> None:
    assert [path.stem for path in PROFILES] == [
        "jetson-orin-nano", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2-w", "x86-gateway",
    ]  # fmt: skip


def test_the_unit_has_the_memory_for_the_profile_that_the_install_page_copies() -> None:
    copied = re.search(r"cp deploy/profiles/(\S+\.yaml) ", (DEPLOY.parent / "docs/install.md").read_text())
    most = re.search(r"^MemoryMax=(\d+)M$", (DEPLOY / "systemd/hedgerow-agent.service").read_text(), re.MULTILINE)
    assert copied is not None
    assert most is not None
    total = parse_profile((DEPLOY / "profiles" / copied[1]).read_text()).ram_total_bytes
    assert total is not None
    assert int(most[1]) * 2**20 >= 2 * total + 40_000_000


def test_the_example_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text((DEPLOY / "agent.yaml").read_text())
    (tmp_path / "profile.yaml").write_text(PROFILES[0].read_text())
    (tmp_path / "controller.pub").write_text(base64.b64encode(KEY.public_key().public_bytes_raw()).decode())
    config = load_config(tmp_path / "agent.yaml", {})
    assert (config.http, config.socket) == (("127.0.0.1", 8520), Path("/run/hedgerow-agent/inference.sock"))
