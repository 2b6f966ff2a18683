"""The reference models: their data is read as data, what judges is kept apart, their training is kept."""

from __future__ import annotations

import gzip
import importlib.util
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from controller.pruning.errors import DataError
from controller.pruning.model.data import Data, Split
from controller.pruning.spec import load_spec
from controller.zoo import augment, fashion, mobile, residual, watch, wearable
from controller.zoo.__main__ import main
from controller.zoo.missing import MissingDataError
from controller.zoo.pickled import read_object_array
from controller.zoo.reference import NAMES, Reference, find_reference
from controller.zoo.training import Recipe, fit

needs_watch = pytest.mark.skipif(
    importlib.util.find_spec("seglearn") is None, reason="the smartwatch data is not installed"
)
QUICK = replace(wearable.REFERENCE.recipe, epochs=1)


# --- the smartwatch --------------------------------------------------------------------------------------------------


def test_a_pickle_that_calls_anything_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, (f"touch {tmp_path}/sprung",)

    np.save(tmp_path / "data.npy", np.array(Trap(), dtype=object), allow_pickle=True)
    with pytest.raises(pickle.UnpicklingError, match=r"refused: \w+\.system"):
        read_object_array(tmp_path / "data.npy")
    assert not (tmp_path / "sprung").exists()


def test_arrays_in_plain_containers_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.array({"X": [np.arange(3.0)], "n": 2}, dtype=object), allow_pickle=True)
    read = read_object_array(tmp_path / "data.npy")
    assert read["n"] == 2
    assert read["X"][0].tolist() == [0, 1, 2]


def test_missing_data_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDataError, match="pip install --no-deps seglearn"):
        watch.load_watch()


@needs_watch
def test_windows_are_standardised_by_the_training_people() -> None:
    data = watch.load_watch()
    assert data.gate.inputs.shape[1:] == (6, 128)
    assert len(data.gate.inputs) >= 256
    assert np.allclose(data.train.inputs.mean((0, 2)), 0, atol=0.05)
    assert np.allclose(data.train.inputs.std((0, 2)), 1, atol=0.05)
    people = [*watch.TRAIN_SUBJECTS, *watch.SELECT_SUBJECTS, *watch.GATE_SUBJECTS]
    assert sorted(people) == list(range(1, 11))


@needs_watch
@pytest.mark.slow
def test_training_is_seeded_and_happens_once(tmp_path: Path) -> None:
    said = list[str]()
    first = wearable.train(tmp_path / "a", said.append, QUICK)
    assert any("epoch 1 of 1" in line for line in said)
    before = first.stat().st_mtime_ns
    assert wearable.train(tmp_path / "a", said.append, QUICK) == first
    assert "already trained" in said[-1]
    assert first.stat().st_mtime_ns == before
    again = wearable.train(tmp_path / "b", lambda _: None, QUICK)
    assert again.read_bytes() == first.read_bytes()
    spec = load_spec(wearable.write_spec(tmp_path / "model", first))
    assert spec.ref == "wearable@1"
    assert spec.input_shape == (1, 6, 128)


@needs_watch
def test_the_replay_holds_gate_windows(tmp_path: Path) -> None:
    replay = np.load(wearable.write_replay(tmp_path / "replay.npy", windows=10))
    gate = watch.load_watch().gate.inputs
    assert replay.shape == (10, 6, 128)
    assert all((gate == window).all((1, 2)).any() for window in replay)


# --- the clothing ----------------------------------------------------------------------------------------------------


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes()))


@pytest.fixture
def clothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in Fashion-MNIST's form with 40 and 5 images; image i is all i, and labelled i % 10."""
    for part, start, end in (("train", 0, 40), ("t10k", 40, 45)):
        numbers = np.arange(start, end, dtype=np.uint8)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.tile(numbers[:, None, None], (1, 28, 28)))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", numbers % 10)
    monkeypatch.setenv(fashion.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def numbers(split: Split) -> list[int]:
    assert split.labels is not None
    read = np.rint((split.inputs[:, 0, 0, 0] * 0.3530 + 0.2860) * 255).astype(int).tolist()
    assert [each % 10 for each in read] == split.labels.tolist()
    return read


def test_every_image_is_in_one_split_and_the_test_set_is_the_gate(clothing: Path) -> None:
    data = fashion.load_fashion()
    assert data.train.inputs.shape == (36, 1, 28, 28)
    assert data.train.inputs.dtype == np.float32
    assert sorted(numbers(data.train) + numbers(data.select)) == list(range(40))
    assert numbers(data.gate) == list(range(40, 45))
    assert numbers(fashion.load_fashion().select) == numbers(data.select)


def test_missing_images_name_the_package_and_the_variable(clothing: Path) -> None:
    (clothing / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(MissingDataError, match="apt install dataset-fashion-mnist, or set HEDGEROW_FASHION_MNIST"):
        fashion.load_fashion()


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", gzip.compress(b""), gzip.compress(bytes((0, 0, 13, 1, 0, 0, 0, 0)))]
)
def test_a_file_of_another_format_is_named(clothing: Path, content: bytes) -> None:
    (clothing / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: not an IDX file"):
        fashion.load_fashion()


def test_labels_that_do_not_match_the_images_are_refused(clothing: Path) -> None:
    write_idx(clothing / "train-labels-idx1-ubyte.gz", np.zeros(39, np.uint8))
    with pytest.raises(DataError, match=r"images \[40, 28, 28\] and labels \[39\] do not match"):
        fashion.load_fashion()


def test_a_moved_image_is_the_same_image_elsewhere() -> None:
    moved = augment.FlippedAndMoved(pixels=2, background=-1.0)
    batch = torch.full((8, 1, 28, 28), -1.0)
    batch[:, 0, 10, 3] = 1.0
    dice, seen = torch.Generator().manual_seed(0), set[tuple[int, int]]()
    for _ in range(40):
        out = moved(batch, dice)
        assert out.shape == batch.shape
        assert (out == 1).sum((1, 2, 3)).tolist() == [1] * 8
        seen |= {(int(y), int(x)) for _, _, y, x in (out == 1).nonzero()}
    assert {y for y, _ in seen} == set(range(8, 13))
    assert {x for _, x in seen} == set(range(1, 6)) | set(range(22, 27))  # mirrored, 3 becomes 24


# --- the networks and what makes them --------------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "parameters"), [(residual, 308_074), (mobile, 218_322)])
def test_image_networks_have_their_size_and_shape(network: type[residual], parameters: int) -> None:
    model = network.build().eval()
    assert sum(each.numel() for each in model.parameters()) == parameters
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


class Tiny(nn.Sequential):
    def __init__(self, width: int = 4) -> None:
        super().__init__(nn.Conv2d(1, width, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(width * 169, 10))


def build_tiny() -> nn.Module:
    return Tiny()


RECIPE = Recipe(
    epochs=2,
    batch=8,
    rate=1e-2,
    decay=0.0,
    smoothing=0.0,
    augment=augment.FlippedAndMoved(pixels=0, background=0.0),
    seed=3,
    bfloat16=True,
)


def tiny(build: Callable[[], nn.Module] = build_tiny) -> Reference:
    return Reference(
        name="tiny",
        build=build,
        data=fashion.load_fashion,
        sample_shape=(1, 28, 28),
        recipe=RECIPE,
        accuracy_floor="1 %",
    )


def test_another_recipe_network_or_data_set_makes_other_weights(clothing: Path, tmp_path: Path) -> None:
    def key(reference: Reference, recipe: Recipe | None = None) -> str:
        return reference.train(tmp_path, recipe=recipe).name

    first = key(tiny())
    assert key(tiny()) == first
    others = {
        key(tiny(), replace(RECIPE, smoothing=0.1)),
        key(tiny(), replace(RECIPE, augment=augment.FlippedAndMoved(pixels=1, background=0.0))),
        key(tiny(lambda: Tiny(width=5))),
    }
    write_idx(clothing / "t10k-labels-idx1-ubyte.gz", np.full(5, 9, np.uint8))
    others.add(key(tiny()))
    assert len(others - {first}) == 4


def test_the_spec_loads_what_was_trained(clothing: Path, tmp_path: Path) -> None:
    from controller.pruning.model.load import load_model

    reference = replace(find_reference("residual"), recipe=replace(RECIPE, epochs=0.5))
    spec = load_spec(reference.write_spec(tmp_path / "model", reference.train(tmp_path)))
    assert (spec.ref, spec.input_shape, spec.accuracy_floor) == ("residual@1", (1, 1, 28, 28), 0.88)
    loaded = load_model(spec)
    assert isinstance(loaded.module, residual.Residual)
    assert isinstance(loaded.data, Data)


@pytest.mark.parametrize(
    ("epochs", "told"), [(2, ["epoch 1 of 2", "epoch 2 of 2"]), (1.5, ["epoch 1 of 1.5", "epoch 1.5 of 1.5"])]
)
def test_training_tells_how_far_it_is_and_ends_on_its_budget(clothing: Path, epochs: float, told: list[str]) -> None:
    said = list[str]()
    fit(build_tiny, fashion.load_fashion().train, replace(RECIPE, epochs=epochs), said.append)
    assert [line.split(",")[0] for line in said] == told
    assert "about 0 s left" in said[-1]


def test_training_leaves_torch_its_threads(clothing: Path) -> None:
    before = torch.get_num_threads()
    fit(build_tiny, fashion.load_fashion().train, replace(RECIPE, threads=1), lambda _: None)
    assert torch.get_num_threads() == before


def test_the_command_refuses_names_that_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path), "resnet"]) == 2
    assert "wearable | residual | mobile" in capsys.readouterr().err
    assert [find_reference(name).name for name in NAMES] == list(NAMES)
