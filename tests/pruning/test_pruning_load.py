"""The operator's own code fails: the message says in which file and line, and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from controller.pruning.model.data import DataError
from controller.pruning.model.load import LoadError, load_model, read_weights
from controller.pruning.spec import parse_spec

NET = "from types import SimpleNamespace\nfrom torch import nn\ndef build(): return nn.Linear(3, 2)\n"
SPEC = "name: m\nversion: '1'\nfactory: net.py:build\nweights: w.pt\ninput: {shape: [1, 3]}\ndata: net.py:data\n"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def data(): return 1 / 0", r"net\.py:4: data: ZeroDivisionError: division by zero"),
        ("def data(): raise SystemExit", r"net\.py:4: data: SystemExit"),
        ("import nothing_there", r"net\.py:4: build: ModuleNotFoundError: No module named 'nothing_there'"),
        ("def data(:", r"net\.py: build: SyntaxError: invalid syntax \(net\.py, line 4\)"),
        ("def data(): return {}", "data: a dict without 'train'; an object with train, select and gate is expected"),
        (
            "def data(): return SimpleNamespace(train=lambda: 0, select=0, gate=0)",
            r"data: 'train' is a function; .* each a tuple",
        ),
    ],
)
def test_what_the_operators_code_raises_names_its_place(tmp_path: Path, code: str, reason: str) -> None:
    (tmp_path / "net.py").write_text(NET + code)
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "w.pt")
    with pytest.raises((LoadError, DataError), match=reason):
        load_model(parse_spec(SPEC, tmp_path / "model.yaml"))


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_weights_that_are_none_are_refused_by_name_without_advice_to_trust_them(tmp_path: Path, name: str) -> None:
    for content in (b"", b"rubbish"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LoadError, match=f"^{name}: not a ") as refused:
            read_weights(tmp_path / name)
        assert "weights_only" not in str(refused.value)


def test_weights_of_another_shape_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    torch.save(nn.Linear(4, 3).state_dict(), tmp_path / "w.pt")
    with pytest.raises(LoadError, match=r"size mismatch for weight.* \(and 1 more\)$") as refused:
        load_model(parse_spec(SPEC, tmp_path / "model.yaml"))
    assert "\n" not in str(refused.value)
