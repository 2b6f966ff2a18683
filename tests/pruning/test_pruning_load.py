"""The operator's own code fails: the message says in which file and line, and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from controller.pruning.errors import DataError, LoadError
from controller.pruning.jobs.bench import open_bench
from controller.pruning.model.load import load_model, read_weights
from controller.pruning.spec import ModelSpec, parse_spec
from controller.pruning.steps import unheard

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


def with_example(folder: Path, example: bytes | np.ndarray[Any, Any]) -> ModelSpec:
    (folder / "net.py").write_text(NET)
    torch.save(nn.Linear(3, 2).state_dict(), folder / "w.pt")
    if isinstance(example, bytes):
        (folder / "x.npy").write_bytes(example)
    else:
        np.save(folder / "x.npy", example)
    text = SPEC.replace("shape: [1, 3]", "example: x.npy").replace("data: net.py:data\n", "")
    return parse_spec(text, folder / "model.yaml")


def test_an_example_is_what_the_model_is_traced_with_and_part_of_what_it_is(tmp_path: Path) -> None:
    spec = with_example(tmp_path, np.array([[0.5, 7, -3]]))
    bench = open_bench(spec, tmp_path / "shelf", 0, unheard())
    assert bench.prunable.sample.dtype is torch.float32
    assert bench.prunable.sample.tolist() == [[0.5, 7.0, -3.0]]
    assert bench.model.sample_shape == (3,)
    other = load_model(with_example(tmp_path, np.array([[0.5, 7, -2]])))
    assert other.digest != bench.model.digest


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (b"", r"x\.npy: not an \.npy file of numbers"),
        (b"rubbish", r"x\.npy: not an \.npy file of numbers"),
        (np.array([["a", "b", "c"]]), r"x\.npy: not an \.npy file of numbers"),
        (np.zeros((2, 3)), r"x\.npy: shape \[2, 3\], expected a batch of 1 first"),
        (np.array([[0, np.nan, 0]]), r"x\.npy: holds values that are not finite"),
    ],
)
def test_an_example_that_is_none_is_refused_by_name(
    tmp_path: Path, example: bytes | np.ndarray[Any, Any], reason: str
) -> None:
    with pytest.raises(LoadError, match=reason):
        load_model(with_example(tmp_path, example))
