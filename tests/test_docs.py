"""The documents name what there is: every setting and key, every command, and an example that works as printed."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import typer.main
import yaml

from agent import cli as agent_cli
from agent.config import KEYS, load_config
from agent.wire.declarable import RANGES
from agent.wire.errors import Failure, WireError
from agent.wire.messages import Result
from agent.wire.profile import parse_profile
from agent.wire.topics import Leaf
from controller.cli.app import app
from controller.config import Settings, settings
from controller.core.diagnose import Cause
from controller.core.envelope import collapse
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.envelope import Envelope
from controller.core.policy import Policy
from controller.core.retention import Retention
from controller.keys import signing_key
from controller.pruning.spec import parse_spec

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
DEVICE = (ROOT / "docs/device.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
SECTIONS = {"": "device: a", "memory": "", "power": "", "thermal": "", "battery": ""}


def blocks() -> dict[str, str]:
    """The README's files, each named by its first line."""
    found = re.findall(r"^```(?:python|yaml)\n(# (\S+\.\w+).*?)^```", README, re.MULTILINE | re.DOTALL)
    return {name: text for text, name in found}


def profile_keys() -> list[str]:
    """What the parser itself says is allowed, section by section."""
    keys = []
    for section, needed in SECTIONS.items():
        text = f"{needed}\nnonsense: 1" if not section else f"device: a\n{section}: {{nonsense: 1, {_least(section)}}}"
        with pytest.raises(WireError, match="unknown key") as refused:
            parse_profile(text)
        names = str(refused.value).partition("allowed here: ")[2].split(", ")
        keys += [f"{section}.{name}" if section else name for name in names if name not in SECTIONS]
    return keys


def _least(section: str) -> str:
    needed = {
        "power": "idle: 1 W, busy: 2 W",
        "thermal": "limit: 80 C, ambient: 20 C, resistance: 9 C/W",
        "battery": "capacity: 1 Wh, lifetime: 1 h",
    }
    return needed.get(section, "")


def test_every_policy_key_has_its_default_in_the_docs() -> None:
    for each in fields(Policy):
        default = f"{getattr(Policy(), each.name):g}"
        assert re.search(rf"^\| `{each.name}` \| {re.escape(default)} \|", OPERATING, re.MULTILINE), each.name
    documented = re.findall(r"^\| `(\w+)` \| [\d.]+ \|", OPERATING, re.MULTILINE)
    assert documented == [each.name for each in fields(Policy)]


def test_every_age_that_is_kept_has_its_default_in_the_docs() -> None:
    found = dict(re.findall(r"^\| `(\w+)` \| (\d+ (?:d|GiB)) \|", OPERATING, re.MULTILINE))
    told = settings_of("retention: {" + ", ".join(f"{name}: {value}" for name, value in found.items()) + "}")
    assert told.retention == Retention()
    assert set(found) == {each.name.removesuffix("_s") for each in fields(Retention)}


def settings_of(text: str) -> Settings:
    with TemporaryDirectory() as folder:
        (Path(folder) / "controller.yaml").write_text(text)
        return settings(Path(folder), None, None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("retention: {windows: 7}", "windows: 7 is not a number of seconds"),
        ("retention: {windows: 0 d}", "windows: '0 d': must be above 0"),
        ("retention: {bytes: -1 GiB}", "bytes: '-1 GiB': must be above 0"),
        ("retention: {weeks: 7 d}", "unknown key; allowed here: windows, rollups, events"),
        ("retention: {windows: 400 d}", "rollups: at least as long as windows"),
    ],
)
def test_an_age_that_cannot_be_is_refused_with_what_can(text: str, told: str) -> None:
    with pytest.raises(WireError, match=rf"controller.yaml:1: .*{re.escape(told)}"):
        settings_of(text)


def test_every_setting_is_in_the_docs() -> None:
    for each in fields(Settings):
        assert f"`{each.name}`" in OPERATING or f"`--{each.name} " in OPERATING


def test_every_key_of_profile_and_agent_is_in_the_docs() -> None:
    assert len(profile_keys()) > 20
    assert [key for key in profile_keys() if f"`{key}`" not in DEVICE] == []
    assert [key for key in KEYS if f"`{key}`" not in DEVICE and key != "gflops"] == []
    assert "{gflops:" in DEVICE


def test_every_figure_of_a_profile_has_its_range_in_the_docs() -> None:
    assert set(profile_keys()) - set(RANGES) == {"device", "class", "labels", "runtime"}
    for path, (_, least, most) in RANGES.items():
        assert re.search(rf"^\| `{path}` \|[^|]*\| {re.escape(f'{least} to {most}')} \|", DEVICE, re.MULTILINE), path


@pytest.mark.parametrize(
    ("words", "text"), [(Failure, DEVICE), (Result, DEVICE), (Cause, OPERATING), (Leaf, ARCHITECTURE)]
)
def test_every_word_is_explained(words: Any, text: str) -> None:
    assert [word for word in words if f"| `{word}` |" not in text] == []


def test_every_command_of_the_readme_exists() -> None:
    controller: Any = typer.main.get_command(app)
    agent = agent_cli._parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    table = re.findall(r"^\| `(.*?)` \|", README, re.MULTILINE)
    mentioned = [*table, *re.findall(r"^(?:controller|agent) [^\n#]*", README, re.MULTILINE)]
    assert len(mentioned) > 10
    for line in mentioned:
        for said in re.split(r"`, `", line):
            program, first, *rest = said.replace("\\|", "|").split()
            if program == "agent":
                assert first in agent, said
                assert {each for each in " ".join(rest).split() if each in ("check", "status")} <= set(agent)
                continue
            command = controller.commands[first]
            if hasattr(command, "commands"):
                verbs = [alternative.split()[0] for alternative in " ".join(rest).split(" | ")]
                assert set(verbs) <= set(command.commands), said


def test_every_command_is_in_the_readme() -> None:
    controller: Any = typer.main.get_command(app)
    rows = [line.replace("\\|", "|") for line in re.findall(r"^\| `(controller .*)` \|", README, re.MULTILINE)]
    for name, command in controller.commands.items():
        mine = [row for row in rows if f"controller {name}" in row]
        assert mine, name
        for verb in getattr(command, "commands", {}):
            assert any(re.search(rf"\b{verb}\b", row) for row in mine), f"{name} {verb}"


@pytest.mark.parametrize("command", ["prune", "model ladder"])
def test_every_option_of_a_job_is_in_the_docs(command: str) -> None:
    found: Any = typer.main.get_command(app)
    for part in command.split():
        found = found.commands[part]
    options = [each.opts[0] for each in found.params if each.opts[0] not in ("--api", "--output", "model")]
    assert [each for each in options if not re.search(rf"{each}\b", OPERATING)] == []


def test_the_readmes_profile_can_be_met_and_its_agent_starts(tmp_path: Path) -> None:
    for name, text in blocks().items():
        (tmp_path / name).write_text(text)
    signing_key(tmp_path)
    np.save(tmp_path / "recorded.npy", np.zeros((1, 1, 16, 16), np.float32))
    config = load_config(tmp_path / "agent.yaml", {})
    assert config.profile.device == "cam-07"
    assert isinstance(collapse(config.profile, Calibration(), 64 * 2**20), Envelope)
    assert yaml.safe_load(blocks()["model.yaml"])["name"] == "shapes"


@pytest.mark.slow
def test_the_readmes_model_trains_and_loads_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from controller.pruning.model.load import load_model

    for name, text in blocks().items():
        (tmp_path / name).write_text(text.replace("range(4)", "range(1)"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    exec(compile(blocks()["train.py"].replace("range(4)", "range(1)"), "train.py", "exec"), {})
    sys.modules.pop("net")
    loaded = load_model(parse_spec(blocks()["model.yaml"], tmp_path / "model.yaml"))
    assert loaded.data is not None
    inputs, labels = loaded.data.gate
    with torch.no_grad():
        answers = loaded.module(torch.from_numpy(inputs)).argmax(1).numpy()
    assert (answers == labels).mean() > 0.9
