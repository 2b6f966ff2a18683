"""A model's specification: which code and weights it is, what it takes, how it is recovered and judged.

Read without running any of it. Paths are relative to the spec file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.wire.errors import WireError
from agent.wire.section import Section, load_yaml
from agent.wire.units import Unit
from controller.core.nouns.model import Prefer, Recovery

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_MODULE_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FILE_FUNCTION = re.compile(r"[^:]+\.py:[A-Za-z_]\w*")
MOST_RUNGS = 32
_WEIGHTS = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """`place:function`; the place is a module's dotted name, or an absolute path where `is_file`."""

    place: str
    function: str
    is_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model, as its owner declares it. Either `input_shape` (a batch of 1 first) or `input_example` is set.

    Without `data` nothing is recovered but left as pruned, and accuracy stays unverified. `accuracy_floor` and
    `accuracy_margin`, how much worse than the dense model a variant may be, are shares. These, `prefer`, `ladder` (how
    many rungs are made in the background), `recovery` and `refine_s` (how long a variant may be made better once it is
    there) are the owner's policy; the rest is what the model is.
    `file_policy` is what 0.1 digested of the policy that is in the file.
    """

    name: str
    version: str
    factory: FunctionRef
    weights: Path
    input_shape: tuple[int, ...] | None
    input_example: Path | None
    data: FunctionRef | None
    accuracy_floor: float | None
    accuracy_margin: float | None
    prefer: Prefer = Prefer.ACCURACY
    ladder: int = 0
    recovery: Recovery
    refine_s: float = 0.0
    seed: int
    file_policy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"


def load_spec(path: Path) -> ModelSpec:
    """The spec at `path`. Raises `WireError` naming file, line and key, also for files that are not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # not UTF-8, or a path that can be none
        raise WireError(f"{path}: cannot be read: {error}") from None
    return parse_spec(text, path)


def parse_spec(text: str, path: Path) -> ModelSpec:
    """Read a spec's YAML `text`; `path` is where it stands. Raises `WireError`."""
    folder = path.resolve().parent
    top = Section(load_yaml(text, str(path)))

    def reference(value: Any) -> FunctionRef:
        return _function(value, folder)

    shape, example = _input(top.need("input", top.section("input")), folder)
    floor, margin = _accuracy(top.section("accuracy"))
    recovery = _recovery(top.section("recover"))
    spec = ModelSpec(
        name=top.need("name", top.take("name", _name)),
        version=top.need("version", top.take("version", _version_text)),
        factory=top.need("factory", top.take("factory", reference)),
        weights=top.need("weights", top.take("weights", lambda value: _weights(value, folder))),
        input_shape=shape,
        input_example=example,
        data=top.take("data", reference),
        accuracy_floor=floor,
        accuracy_margin=margin,
        prefer=top.take("prefer", prefer_of) or Prefer.ACCURACY,
        ladder=top.take("ladder", rungs_of) or 0,
        recovery=recovery,
        refine_s=_refining(top.section("prune")),
        seed=top.take("seed", _count) or 0,
        file_policy={"accuracy_floor": floor, "accuracy_margin": margin, "recovery": asdict(recovery)},
    )
    top.done()
    return spec


def terms(spec: ModelSpec) -> str:
    """What a variant of the same structure depends on: how it was trained, and what it had to be."""
    budget = spec.recovery
    trained = f"epochs={budget.epochs:g}" if budget.epochs is not None else f"cpu={budget.cpu_s:g}s"
    return f"{trained} floor={spec.accuracy_floor} margin={spec.accuracy_margin}"


def _name(value: Any) -> str:
    return _match(_NAME, value, "lower-case letters, digits and -")


def _version_text(value: Any) -> str:
    return _match(_VERSION, value, "letters, digits, . _ -")


def _match(pattern: re.Pattern[str], value: Any, allowed: str) -> str:
    if not isinstance(value, str):  # 1.10 has become 1.1, and 010 has become 8
        raise WireError(f"YAML reads this as {value}, which is no text: put it in quotes")
    if not pattern.fullmatch(value):
        raise WireError(f"{value!r}: {allowed} are allowed")
    return value


def _function(value: Any, folder: Path) -> FunctionRef:
    text = str(value)
    place, _, function = text.rpartition(":")
    if _FILE_FUNCTION.fullmatch(text):
        return FunctionRef(str(_existing(place, folder)), function, is_file=True)
    if _MODULE_FUNCTION.fullmatch(text):
        return FunctionRef(place, function, is_file=False)
    raise WireError(f"{text!r}: 'package.module:function' or 'file.py:function' is allowed")


def _weights(value: Any, folder: Path) -> Path:
    path = _existing(value, folder)
    if path.suffix not in _WEIGHTS:
        raise WireError(f"{value!r}: a state dict in one of {', '.join(_WEIGHTS)} is allowed")
    return path


def _existing(value: Any, folder: Path) -> Path:
    """The absolute path of a file that can be read. Raises `WireError`."""
    try:
        path = (folder / str(value)).resolve()
        if path.is_file():
            path.open("rb").close()
            return path
    except (OSError, ValueError, RuntimeError) as error:  # no right to it; too long a name; a loop of links
        reason = error.strerror if isinstance(error, OSError) else error
        raise WireError(f"{value!r}: cannot be read: {reason}") from None
    raise WireError(f"{value!r}: there is no such file beside the spec")


def _input(section: Section, folder: Path) -> tuple[tuple[int, ...] | None, Path | None]:
    shape: tuple[int, ...] | None = section.take("shape", _shape)
    example: Path | None = section.take("example", lambda value: _existing(value, folder))
    section.done()
    if (shape is None) == (example is None):
        raise section.error("give either 'shape' or 'example' (an .npy file)")
    return shape, example


def _shape(value: Any) -> tuple[int, ...]:
    sizes = tuple(value) if isinstance(value, list) else ()
    if len(sizes) < 2 or sizes[0] != 1 or any(type(size) is not int or size < 1 for size in sizes):
        raise WireError(f"{value!r}: a list of sizes is allowed, the first one 1 (the batch), as in [1, 3, 32, 32]")
    return sizes


def _accuracy(section: Section | None) -> tuple[float | None, float | None]:
    """Floor and margin."""
    if section is None:
        return None, None
    floor, margin = _share(section, "floor"), _share(section, "margin")
    section.done()
    return floor, margin


def _share(section: Section, key: str) -> float | None:
    share = section.quantity(key, Unit.SHARE)
    if share is not None and share > 1:
        raise section.error(f"{key} {share:g}: at most 1 (100 %)")
    return share


def _recovery(section: Section | None) -> Recovery:
    if section is None:
        return Recovery(epochs=2)
    cpu_s = section.quantity("budget", Unit.SECONDS)
    epochs: float | None = section.take("epochs", _epochs)
    section.done()
    if (cpu_s is None) == (epochs is None):
        raise section.error("give either 'budget' (as in 10 s) or 'epochs'")
    return Recovery(cpu_s=cpu_s, epochs=epochs)


def _refining(section: Section | None) -> float:
    if section is None:
        return 0.0
    budget_s: float = section.need("budget", section.quantity("budget", Unit.SECONDS))
    section.done()
    return budget_s


def _epochs(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise WireError(f"{value!r}: a number from 0 is allowed, as in 1.5")
    return float(value)


def prefer_of(value: Any) -> Prefer:
    """Raises `WireError`."""
    if value not in list(Prefer):
        raise WireError(f"{value!r}: one of {', '.join(Prefer)} is allowed")
    return Prefer(value)


def rungs_of(value: Any) -> int:
    """Raises `WireError`."""
    if type(value) is not int or not 0 <= value <= MOST_RUNGS:
        raise WireError(f"{value!r}: a whole number from 0 to {MOST_RUNGS} is allowed")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise WireError(f"{value!r}: a whole number from 0 is allowed")
    return value
