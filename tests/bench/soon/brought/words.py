"""Drawn words, half of them upside down: which, is to be told.

`python words.py` draws them once, into `words.npz` beside this file, with pillow and the fonts of matplotlib.
"""

from __future__ import annotations

import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_HEIGHT, _WIDTH, _NOISE = 48, 192, 13
_COUNTS = {"train": 3000, "select": 600, "gate": 1000}
_MORE = {"more": 5000}  # drawn last, and loaded by no job
_FILE = Path(__file__).with_name("words.npz")


def data() -> SimpleNamespace:
    """Splits `[n, 3, 48, 192]` between -1 and 1, with 1 for what is upside down."""
    with np.load(_FILE) as kept:
        return SimpleNamespace(
            **{name: (_floats(kept[f"{name}_images"]), kept[f"{name}_labels"]) for name in _COUNTS},
        )


def judged() -> tuple[Any, Any]:
    """The gate and more like it, 6,000 in all, with their numbers."""
    with np.load(_FILE) as kept:
        images = np.concatenate([kept["gate_images"], kept["more_images"]])
        return _floats(images), np.concatenate([kept["gate_labels"], kept["more_labels"]])


def _floats(images: Any) -> Any:
    """Three channels that are the same."""
    return np.repeat(images[:, None].astype(np.float32) / 127.5 - 1, 3, axis=1)


def _drawn(dice: np.random.Generator, fonts: list[str]) -> tuple[Any, int]:
    from PIL import Image, ImageDraw

    word = "".join(dice.choice(list(string.ascii_letters), int(dice.integers(5, 13))))
    image = Image.new("L", (_WIDTH, _HEIGHT), int(dice.integers(170, 256)))
    pen = ImageDraw.Draw(image)
    font, (left, top, right, bottom) = _fitting(pen, word, str(dice.choice(fonts)), int(dice.integers(18, 39)))
    x = int(dice.integers(0, max(1, _WIDTH - (right - left)))) - left
    y = int(dice.integers(0, max(1, _HEIGHT - (bottom - top)))) - top
    pen.text((x, y), word, font=font, fill=int(dice.integers(0, 90)))
    turned = int(dice.integers(0, 2))
    pixels = np.asarray(image.rotate(180) if turned else image) + dice.normal(0, _NOISE, (_HEIGHT, _WIDTH))
    return np.clip(pixels, 0, 255).astype(np.uint8), turned


def _fitting(pen: Any, word: str, path: str, size: int) -> tuple[Any, tuple[int, int, int, int]]:
    """The font, smaller where the word would be wider than the image, and the word's box."""
    from PIL import ImageFont

    font = ImageFont.truetype(path, size)
    left, top, right, bottom = pen.textbbox((0, 0), word, font=font)
    if right - left > _WIDTH - 4:
        font = ImageFont.truetype(path, max(10, int(size * (_WIDTH - 4) / (right - left))))
        left, top, right, bottom = pen.textbbox((0, 0), word, font=font)
    return font, (int(left), int(top), int(right), int(bottom))


def _fonts() -> list[str]:
    """Those of letters, not the one of large symbols."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(str(path) for path in folder.glob("DejaVuS*.ttf") if "Display" not in path.name)


def _draw() -> None:
    dice, made, fonts = np.random.default_rng(5), dict[str, Any](), _fonts()
    for name, count in (_COUNTS | _MORE).items():
        images, labels = zip(*(_drawn(dice, fonts) for _ in range(count)), strict=True)
        made |= {f"{name}_images": np.stack(images), f"{name}_labels": np.array(labels, np.int64)}
    np.savez(_FILE, **made)


if __name__ == "__main__":
    _draw()
