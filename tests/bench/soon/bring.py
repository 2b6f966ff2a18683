"""A network laid out in a folder as its user brings it: code, data, weights and a spec."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.bench.before import HERE
from tests.bench.soon.nets import Net

_BROUGHT = Path(__file__).with_name("brought")


class NotToBeHadError(RuntimeError):
    """What a network needs is not to be had here."""


def bring(net: Net, folder: Path) -> Path:
    """The path of its spec; drawn, fetched and trained first where it is not there yet. Raises `NotToBeHadError`."""
    spec = folder / "model.yaml"
    if not spec.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        drawing = net.data.partition(":")[0]
        for name in (net.code, drawing):
            shutil.copy(_BROUGHT / name, folder)
        _run(folder, drawing)
        if net.packages:
            _fetch(net.packages, folder / "packages")
            _run(folder, net.code)
        else:
            _train(net, folder)
        spec.write_text(yaml.safe_dump(_spec(net), sort_keys=False))
    return spec


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
