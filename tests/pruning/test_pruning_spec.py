"""What a model spec allows, and how it says where it is wrong."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from agent.wire.errors import WireError
from controller.core.nouns.model import Prefer, Recovery
from controller.pruning.errors import LoadError
from controller.pruning.identity import formerly_stored
from controller.pruning.model.load import load_model, read_weights
from controller.pruning.spec import load_spec

GOOD = """\
name: digits
version: "2"
factory: net.py:build
weights: weights.pt
input:
  shape: [1, 4]
data: net.py:data
accuracy:
  floor: 85 %
  margin: 1 %
recover:
  budget: 10 s
seed: 3
"""
NET = """\
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
"""

SPEC_OF_0_1 = """\
name: small
version: '1'
factory: net.py:build
weights: w.safetensors
input: {shape: [1, 2]}
accuracy: {floor: 80 %, margin: 1 %}
recover: {epochs: 1.5}
seed: 3
"""
WEIGHTS_OF_0_1 = (
    "78000000000000007b2262696173223a7b226474797065223a22463332222c227368617065223a5b315d2c22646174615f6f666673657473223a"
    "5b302c345d7d2c22776569676874223a7b226474797065223a22463332222c227368617065223a5b312c325d2c22646174615f6f666673657473"
    "223a5b342c31325d7d7d2020000040400000803f00000040"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    torch.save(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).state_dict(), tmp_path / "weights.pt")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "model.yaml").write_text(text)
    return folder / "model.yaml"


def test_a_whole_spec_is_read_in_si_units(folder: Path) -> None:
    spec = load_spec(write(folder, GOOD))
    assert (spec.ref, spec.accuracy_floor, spec.recovery.cpu_s, spec.seed) == ("digits@2", 0.85, 10.0, 3)
    assert spec.weights == (folder / "weights.pt").resolve()
    assert spec.input_shape == (1, 4)
    assert spec.accuracy_margin == pytest.approx(0.01)
    assert spec.refine_s == 0.0
    assert load_spec(write(folder, GOOD + "prune: {budget: 10 min}\n")).refine_s == 600.0


def test_floor_and_margin_are_each_optional_and_at_most_everything(folder: Path) -> None:
    text = GOOD.replace("  floor: 85 %\n", "")
    spec = load_spec(write(folder, text))
    assert (spec.accuracy_floor, spec.accuracy_margin) == (None, 0.01)
    assert load_spec(write(folder, GOOD.replace("  margin: 1 %\n", ""))).accuracy_margin is None
    with pytest.raises(WireError, match=r"margin 1\.2: at most 1"):
        load_spec(write(folder, text.replace("1 %", "120 %")))


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("name: digits", "name: Digits!", 1, "name"),
        ("factory: net.py:build", "factory: net.py", 3, "'file.py:function' is allowed"),
        ("factory: net.py:build", "factory: gone.py:build", 3, "no such file"),
        ("weights: weights.pt", "weights: net.py", 4, ".safetensors, .pt, .pth"),
        ("shape: [1, 4]", "shape: [2, 4]", 6, "the first one 1"),
        ("shape: [1, 4]", "size: 4", 6, "allowed here: shape, example"),
        ("floor: 85 %", "floor: 85 ms", 9, "accuracy.floor"),
        ("margin: 1 %", "margin: 1 pixel", 10, "accuracy.margin"),
        ("margin: 1 %", "margin: 0 %", 10, "above 0"),
        ("budget: 10 s", "budget: 10 lines", 12, "recover.budget"),
        ("seed: 3", "sed: 3", 13, "unknown key; allowed here"),
        ("seed: 3", "prune: 10 min", 13, "a mapping of keys"),
        ("seed: 3", "prune: {}", 13, "'budget' is missing"),
        ("seed: 3", "prune: {budget: 10}", 13, "prune.budget"),
        ("seed: 3", "prune: {budget: 0 s}", 13, "above 0"),
        ("seed: 3", "prune: {budget: -1 min}", 13, "above 0"),
        ("seed: 3", "prune: {epochs: 2}", 13, "missing"),
        ("seed: 3", "prune: {budget: 10 min, epochs: 2}", 13, "allowed here: budget"),
    ],
)
def test_an_error_names_file_line_key_and_what_is_allowed(
    folder: Path, old: str, new: str, line: int, says: str
) -> None:
    path = write(folder, GOOD.replace(old, new))
    with pytest.raises(WireError) as caught:
        load_spec(path)
    assert f"model.yaml:{line}:" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("version: 1.10", "1.1"), ("version: 010", "8"), ("version: 2", "2"), ("version: 2026-01-02", "2026-01-02"),
        ("version: on", "True"), ("version: [a]", r"\['a'\]"), ("name: 1_000", "1000"),
    ],
)  # fmt: skip
def test_a_name_or_a_version_that_yaml_does_not_read_as_a_text_is_to_be_put_in_quotes(
    folder: Path, line: str, read: str
) -> None:
    key, value = line.split(": ")
    was = {"name": "name: digits", "version": 'version: "2"'}[key]
    with pytest.raises(WireError, match=rf"model\.yaml:\d: {key}: YAML reads this as {read}, .*put it in quotes"):
        load_spec(write(folder, GOOD.replace(was, line)))
    if key == "version" and value.isalnum():
        quoted = load_spec(write(folder, GOOD.replace(was, f'version: "{value}"')))
        assert quoted.version == value


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 300 + ".pt", "File name too long"),
        ('"a\\0.pt"', "embedded null byte"),
        ("locked.pt", "Permission denied"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    (folder / "locked.pt").write_bytes(b"")
    path, opened = write(folder, GOOD.replace("weights.pt", name)), Path.open

    def locked(file: Path, *how: Any, **more: Any) -> Any:  # root may read everything
        if file.name == "locked.pt":
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *how, **more)

    monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(WireError, match=rf"model\.yaml:4: weights: .*: cannot be read: {reason}"):
        load_spec(path)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "gone.yaml", ""])
def test_a_spec_that_cannot_be_read_is_named(folder: Path, name: str) -> None:
    with pytest.raises(WireError, match="cannot be read"):
        load_spec(folder / name)


def test_budget_and_epochs_exclude_each_other(folder: Path) -> None:
    with pytest.raises(WireError, match="either 'budget'"):
        load_spec(write(folder, GOOD.replace("budget: 10 s", "budget: 10 s\n  epochs: 2")))


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(tmp_path / "sprung"), "w")

    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(LoadError, match="state_dict"):
        read_weights(tmp_path / "weights.pt")
    assert not (tmp_path / "sprung").exists()


def test_a_whole_saved_module_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "weights.pt")
    with pytest.raises(LoadError, match=r"model\.state_dict\(\)"):
        read_weights(tmp_path / "weights.pt")


def test_the_digest_follows_what_the_model_is_and_not_what_its_owner_wants_of_it(folder: Path) -> None:
    text = GOOD.replace("data: net.py:data\n", "")
    first = load_model(load_spec(write(folder, text))).digest
    assert load_model(load_spec(write(folder, text + "# a comment\n"))).digest == first
    policy = text.replace("85", "80").replace("10 s", "20 s") + "prefer: frugal\nladder: 6\nprune: {budget: 1 h}\n"
    assert load_model(load_spec(write(folder, policy))).digest == first
    assert load_model(load_spec(write(folder, text.replace("seed: 3", "seed: 4")))).digest != first
    (folder / "net.py").write_text(NET + "# other code\n")
    assert load_model(load_spec(write(folder, text))).digest != first
    (folder / "net.py").write_text(NET)
    torch.save(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).state_dict(), folder / "weights.pt")
    assert load_model(load_spec(write(folder, text))).digest != first


def test_the_digests_that_release_0_1_gave_are_known(tmp_path: Path) -> None:
    """Both were taken from 0.1, of these very bytes."""
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef build() -> nn.Module:\n    return nn.Linear(2, 1)\n"
    )
    (tmp_path / "w.safetensors").write_bytes(bytes.fromhex(WEIGHTS_OF_0_1))
    spec = load_spec(write(tmp_path, SPEC_OF_0_1))
    assert load_model(spec).formerly == "1f158b9b38c2738cccea8f25e1b1194b9fa848d1d71608b2ae38ae6c44ba8970"
    stored = formerly_stored(spec, tmp_path / "model.yaml")
    assert stored == "7caf844e315ad218c646a59f719c5ee7216e460e9d8f6adf2df925a09a6b764f"
    other = replace(spec, accuracy_floor=0.7, prefer=Prefer.FRUGAL, recovery=Recovery(epochs=9), refine_s=9.0)
    assert load_model(other).formerly == load_model(spec).formerly, "the controller's policy is not the file's"


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("prefer: speed", "accuracy, frugal"),
        ("ladder: 33", "0 to 32"),
        ("ladder: -1", "0 to 32"),
        ("ladder: yes", "0 to"),
    ],
)
def test_a_policy_that_is_none_says_what_is_allowed(folder: Path, line: str, where: str) -> None:
    with pytest.raises(WireError, match=where):
        load_spec(write(folder, GOOD + line + "\n"))


def test_weights_that_do_not_fit_say_so(folder: Path) -> None:
    torch.save(nn.Linear(4, 2).state_dict(), folder / "weights.pt")
    with pytest.raises(LoadError, match="does not fit"):
        load_model(load_spec(write(folder, GOOD.replace("data: net.py:data\n", ""))))
