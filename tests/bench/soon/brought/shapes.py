"""Six drawn shapes of 64 x 64 pixels in noise, each on top of a bar of another colour.

`python shapes.py` draws them once, into `shapes.npz` beside this file.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

_PIXELS, _LARGE, _CLASSES, _NOISE = 64, 224, 6, 0.08
_COUNTS = {"train": 2400, "select": 600, "gate": 1200}
_MORE = {"more": 4800}  # drawn last, and loaded by no job
_LARGE_COUNTS = {"train": 600, "select": 200, "gate": 400}
_FILE = Path(__file__).with_name("shapes.npz")


def data() -> SimpleNamespace:
    """Splits `[n, 3, 64, 64]` between -1 and 1, with the numbers of the shapes."""
    return SimpleNamespace(**{name: (_floats(images), labels) for name, (images, labels) in _kept(_COUNTS).items()})


def large() -> SimpleNamespace:
    """Fewer of them, scaled up to 224 x 224."""
    return SimpleNamespace(
        **{name: (_scaled(_floats(images)), labels) for name, (images, labels) in _kept(_LARGE_COUNTS).items()}
    )


def judged() -> tuple[Any, Any]:
    """The gate and more like it, 6,000 in all, with their numbers."""
    with np.load(_FILE) as kept:
        images = np.concatenate([kept["gate_images"], kept["more_images"]])
        return _floats(images), np.concatenate([kept["gate_labels"], kept["more_labels"]])


def _kept(counts: dict[str, int]) -> dict[str, Any]:
    with np.load(_FILE) as kept:
        return {
            name: (kept[f"{name}_images"][:count], kept[f"{name}_labels"][:count]) for name, count in counts.items()
        }


def _floats(images: Any) -> Any:
    return images.astype(np.float32) / 127.5 - 1


def _scaled(images: Any) -> Any:
    return F.interpolate(torch.from_numpy(images), size=_LARGE, mode="bilinear").numpy()


def _drawn(dice: np.random.Generator) -> tuple[Any, int]:
    label, grid = int(dice.integers(_CLASSES)), np.mgrid[:_PIXELS, :_PIXELS].astype(np.float32)
    ground, bar, ink = _colours(dice)
    image = np.where(_bar(grid, dice)[..., None], bar, ground)
    image = np.where(_shape(grid, label, dice)[..., None], ink, image)
    image = image + dice.normal(0, _NOISE, image.shape)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8).transpose(2, 0, 1), label


def _colours(dice: np.random.Generator) -> tuple[Any, Any, Any]:
    """Three that can be told apart."""
    while True:
        ground, bar, ink = dice.random((3, 3))
        if min(np.abs(ink - ground).max(), np.abs(ink - bar).max()) > 0.5:
            return ground, bar, ink


def _bar(grid: Any, dice: np.random.Generator) -> Any:
    angle, offset = dice.uniform(0, np.pi), dice.uniform(-12, 12)
    y, x = grid - _PIXELS / 2
    return np.abs(x * np.cos(angle) + y * np.sin(angle) - offset) < dice.uniform(1, 4)


def _shape(grid: Any, label: int, dice: np.random.Generator) -> Any:
    """Disc, square, cross, ring, triangle or stripes, turned a little."""
    size, angle = dice.uniform(11, 20), dice.uniform(-0.5, 0.5)
    y, x = (grid - dice.uniform(24, 40, (2, 1, 1))) / size
    x, y = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    far, wide, near = np.hypot(x, y), np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    shapes = (
        far < 1,
        wide < 0.85,
        (wide < 1) & (near < 0.3),
        np.abs(far - 0.8) < 0.25,
        (y > -0.6) & (np.abs(x) * 1.7 < 1 - y),
        (wide < 0.9) & (np.floor((x + 1) * 2.5) % 2 == 0),
    )
    return shapes[label]


def _draw() -> None:
    dice, made = np.random.default_rng(20261128), dict[str, Any]()
    for name, count in (_COUNTS | _MORE).items():
        images, labels = zip(*(_drawn(dice) for _ in range(count)), strict=True)
        made |= {f"{name}_images": np.stack(images), f"{name}_labels": np.array(labels, np.int64)}
    np.savez(_FILE, **made)


if __name__ == "__main__":
    _draw()
