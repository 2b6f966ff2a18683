"""What jobs leave for later jobs of the same model, beside the artifacts: recovered weights and measured structures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from safetensors.torch import save
from torch import nn

from agent.wire.profile import Runtime
from controller.core.artifacts import file_name
from controller.core.nouns.variant import Precision, Variant
from controller.durable import put_file
from controller.pruning.artifact.pace import Mark, Pace
from controller.pruning.graph.structure import Structure
from controller.pruning.shelf.kin import Kin, label, onward_of, read, state_of
from controller.pruning.shelf.lines import append_line, read_lines
from controller.pruning.shelf.marks import Marked, Marks
from controller.pruning.shelf.point import Point
from controller.pruning.solve.curves import WorthCurves
from controller.pruning.solve.importance import Importance


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of artifacts, seen by jobs of the model whose digest is `digest` for one `runtime`.

    `formerly` are digests that other releases gave the same model: what is there under these is the model's too.
    """

    folder: Path
    digest: str
    runtime: Runtime = Runtime.ONNXRUNTIME
    formerly: tuple[str, ...] = ()

    def put(
        self,
        artifact: bytes,
        variant: Variant,
        structure: Structure,
        module: nn.Module,
        onward: nn.Module | None = None,
    ) -> None:
        """Keep the artifact for devices, the weights for later prunes, and those that a next rung is cut from.

        All of it is on disk when this returns.
        """
        # The weights name the variant, so they come last: what is listed has all else.
        put_file(artifact, self.artifact(variant.sha256))
        if onward is not None:
            put_file(save(state_of(onward)), onward_of(self._weights(variant.sha256)))
        labelled = label(self.digest, structure, variant)
        put_file(save(state_of(module), labelled), self._weights(variant.sha256))
        if variant.dense and (newest := self._newest(lambda each: each.dense)) is not None:
            put_file(newest.variant.sha256.encode(), self._dense_named)

    def kin(self, sha256s: tuple[str, ...] | None = None) -> list[Kin]:
        """Those of the named variants, or of all, that are here, of this model and for this runtime, by name."""
        paths = sorted(self.folder.glob("*.safetensors")) if sha256s is None else map(self._weights, sha256s)
        found = (self._read(path) for path in paths if path.is_file() and self.artifact(path.stem).is_file())
        return [kin for kin in found if kin is not None]

    def made_for(self, requested: str, precision: Precision) -> Kin | None:
        """The variant that was made for this request, in this precision."""
        return self._newest(lambda each: (each.requested, each.precision) == (requested, precision))

    def dense(self) -> Kin | None:
        """The newest; by its name, as a shelf of thousands of variants takes long to look through."""
        named = self._dense_named
        known = next(iter(self.kin((named.read_text(),))), None) if named.is_file() else None
        return known or self._newest(lambda each: each.dense)

    @property
    def _dense_named(self) -> Path:
        return self.file("dense", f"{self.runtime}.txt")

    def _newest(self, wanted: Callable[[Variant], bool]) -> Kin | None:
        """What was made again, by other data or another release, is beside what it was made instead of."""
        found = (kin for kin in self.kin() if wanted(kin.variant))
        return max(found, key=lambda kin: kin.variant.created_unix_s, default=None)

    def points(self, precision: Precision) -> list[Point]:
        """What earlier jobs of this model measured on this host."""
        files = [self._points(each) for each in (*self.formerly, self.digest)]
        return [point for file in files for point in read_lines(file, Point) if point.precision == precision]

    def add_point(self, point: Point) -> None:
        append_line(self._points(self.digest), point)

    def artifact(self, sha256: str) -> Path:
        return self.folder / file_name(sha256, self.runtime)

    def pace(self, precision: Precision) -> Pace | None:
        """What times in this precision are told against; None before the dense variant is here."""
        dense = self.dense()
        if dense is None:
            return None
        p50_s, own = dense.variant.latency_p50_s, Marks(dense.variant.sha256, (Marked(dense.variant.sha256, 1.0),))
        found = (self.marks(each, dense) for each in (precision, Precision.FP32))
        known = next((each for each in found if each is not None and each.marks), own)
        marks = tuple(Mark(self.artifact(each.sha256), each.share * p50_s) for each in known.marks)
        return Pace(marks, dense.variant.latency_p95_s / p50_s)

    def marks(self, precision: Precision, dense: Kin) -> Marks | None:
        """As an earlier job measured them beside this dense variant."""
        try:
            marks = msgspec.json.decode(
                self._found(f"{self.runtime}-{precision}.json", "marks").read_bytes(), type=Marks
            )
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        here = all(self.artifact(each.sha256).is_file() for each in marks.marks)
        return marks if here and marks.dense == dense.variant.sha256 else None

    def put_mark(self, artifact: bytes, sha256: str) -> None:
        put_file(artifact, self.artifact(sha256))

    def put_marks(self, precision: Precision, marks: Marks) -> None:
        put_file(msgspec.json.encode(marks), self.file("marks", f"{self.runtime}-{precision}.json"))

    def curves(self, by: str) -> WorthCurves | None:
        """What narrowing the dense model loses, as it was estimated `by` some data, seed and estimator."""
        try:
            file = self._found(f"{by}.json", "curves")
            return msgspec.json.decode(file.read_bytes(), type=WorthCurves)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def put_curves(self, by: str, curves: WorthCurves) -> None:
        put_file(msgspec.json.encode(curves), self.file("curves", f"{by}.json"))

    def ranks(self, by: str, stage: str) -> dict[str, list[float]]:
        """How the units of the stage of this digest rank, estimated so; empty where that is not known."""
        try:
            return msgspec.json.decode(self._ranks(by, stage).read_bytes(), type=dict[str, list[float]])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}

    def put_ranks(self, by: str, stage: str, ranks: Importance) -> None:
        put_file(msgspec.json.encode(ranks), self._ranks(by, stage))

    def file(self, kind: str, rest: str) -> Path:
        """The model's file of this kind, as it is written."""
        return self.folder / f"{kind}-{self.digest[:16]}-{rest}"

    def _found(self, rest: str, kind: str) -> Path:
        """The model's file of this kind, where it has none the one that another release left."""
        own = self.file(kind, rest)
        others = [self.folder / f"{kind}-{each[:16]}-{rest}" for each in self.formerly]
        return own if own.is_file() else next((each for each in others if each.is_file()), own)

    def _ranks(self, by: str, stage: str) -> Path:
        return self.file("ranks", f"{by}-{stage[:16]}.json")

    def _read(self, weights: Path) -> Kin | None:
        kin = read(weights, (self.digest, *self.formerly))
        return kin if kin is not None and kin.variant.runtime == self.runtime else None

    def _points(self, digest: str) -> Path:
        runtime = "" if self.runtime is Runtime.ONNXRUNTIME else f"-{self.runtime}"
        return self.folder / f"costs-{digest[:16]}{runtime}.jsonl"

    def _weights(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.safetensors"


def name_of(*asked: object) -> str:
    """Short, and another one for each request: for a file's name."""
    return hashlib.sha256(" ".join(map(str, asked)).encode()).hexdigest()[:16]


def known_as(folder: Path, digest: str, formerly: str) -> tuple[str, ...]:
    """The digest that 0.1 gave the model, where it left something here.

    It is written down when it is first seen: with another policy in the spec file it could not be told again.
    """
    note = folder / f"formerly-{digest[:16]}.txt"
    if not note.is_file() and any(folder.glob(f"costs-{formerly[:16]}*.jsonl")):
        put_file(formerly.encode(), note)
    return (note.read_text(),) if note.is_file() else ()
