"""A network laid out in a folder as its user brings it: code, data, weights and a spec."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from controller.pruning.model.load import resolve
from controller.pruning.spec import FunctionRef
from tests.bench.before import HERE
from tests.bench.soon.nets import Net

_BROUGHT = Path(__file__).with_name("brought")


class NotToBeHadError(RuntimeError):
    """What a network needs is not to be had here."""


def bring(net: Net, folder: Path) -> Path:
    """The path of its spec; drawn, fetched and trained first where it is not there yet. Raises `NotToBeHadError`."""
    spec = folder / "model.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    _draw(net.drawing, folder)
    if not spec.is_file():
        shutil.copy(_BROUGHT / net.code, folder)
        if net.packages:
            _fetch(net.packages, folder / "packages")
            _run(folder, net.code)
        else:
            _train(net, folder)
        spec.write_text(yaml.safe_dump(_spec(net), sort_keys=False))
    return spec


def function(folder: Path, text: str) -> Callable[[], Any]:
    """What `text` names in a file of the folder, as `file.py:function`."""
    file, _, name = text.partition(":")
    return resolve(FunctionRef(str(folder / file), name, is_file=True))[0]


def weights(net: Net) -> str:
    return Path(net.code).with_suffix(".safetensors").name


def _spec(net: Net) -> dict[str, object]:
    """Without a floor: how accurate the first variant is, is to be seen."""
    return {
        "name": net.name,
        "version": "1",
        "factory": f"{net.code}:build",
        "weights": weights(net),
        "input": {"shape": [1, *net.shape]},
        "data": net.data,
        "recover": {"epochs": 1},
        "seed": 1,
    }


def _draw(drawing: str, folder: Path) -> None:
    """Anew too where other code drew what is there, of which there were fewer once: weights that are there stay."""
    code, there = _BROUGHT / drawing, folder / drawing
    if there.is_file() and there.read_bytes() == code.read_bytes():
        return
    with TemporaryDirectory(dir=folder) as made:
        shutil.copy(code, made)
        _run(Path(made), drawing)
        for name in (f"{there.stem}.npz", drawing):  # the code last: it tells that the samples are there
            (Path(made) / name).replace(folder / name)


def _run(folder: Path, script: str) -> None:
    subprocess.run([sys.executable, script], cwd=folder, check=True)


def _fetch(packages: tuple[str, ...], target: Path) -> None:
    """From wherever pip is set up to find them; what they themselves need is here already, or not needed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(target)]
    if subprocess.run([*command, *packages], check=False).returncode:  # it has said why, with addresses for no page
        raise NotToBeHadError(f"pip cannot get {' and '.join(packages)} here")


def _train(net: Net, folder: Path) -> None:
    """In a process of its own, on one thread."""
    names = (str(folder), f"{net.code}:build", net.data, weights(net))
    command = [sys.executable, "-m", "tests.bench.soon.train", *names, f"{net.epochs:g}", f"{net.rate:g}"]
    subprocess.run(command, cwd=HERE, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
