"""What the gate's data say of a model's artifacts: alone, and beside the dense model on the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from controller.core.nouns.evidence import Evidence, right_or_not
from controller.core.paired import ONE_SIDED, Paired
from controller.pruning.errors import ExportError
from controller.pruning.judge.accuracy import Accuracy, classify, pair, right
from controller.pruning.judge.gate import Gate, Verdict, judge
from controller.pruning.model.data import Floats, Labels, Split, split_digest
from controller.pruning.model.load import LoadedModel


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate's data say of an artifact, as a whole and (`evidence`) sample by sample; None without labels."""

    accuracy: Accuracy | None
    paired: Paired | None
    verdict: Verdict
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Jury:
    """Judges artifacts of `model` beside what the dense one answers for the gate, which is asked for once."""

    model: LoadedModel
    dense_answers: Callable[[Split, str], Floats]

    def judge(self, answering: Callable[[Floats], Floats], dense: bool = False, error: float = ONE_SIDED) -> Judged:
        """Of an artifact that gives its first outputs for inputs `[n, ...]`; of the `dense` model's no margin is asked.

        One that is worse than the margin allows passes with a chance of at most `error`.

        Raises `ExportError` where the labels are of other classes than the outputs.
        """
        spec, data = self.model.spec, self.model.data
        asked = Gate(spec.accuracy_floor, spec.accuracy_margin, error)
        if data is None:
            return Judged(None, None, judge(None, None, asked))
        outputs = answering(data.gate.inputs)
        if data.gate.labels is None:
            agreement = classify(outputs, self._dense_answers.argmax(1)) if outputs.ndim == 2 else None
            return Judged(None, None, judge(None, None, asked, agreement))
        _check_classes(outputs, data.gate.labels)
        accuracy, paired = classify(outputs, data.gate.labels), pair(self._dense_answers, outputs, data.gate.labels)
        evidence = right_or_not(self._gate_digest, right(outputs, data.gate.labels).tolist())
        return Judged(accuracy, paired, judge(accuracy, None if dense else paired, asked), evidence)

    @cached_property
    def _gate_digest(self) -> str:
        assert self.model.data is not None
        return split_digest(self.model.data.gate)

    @cached_property
    def _dense_answers(self) -> Floats:
        assert self.model.data is not None
        return self.dense_answers(self.model.data.gate, self._gate_digest)


def _check_classes(outputs: Floats, labels: Labels) -> None:
    classes = int(labels.max()) + 1
    if outputs.ndim != 2 or outputs.shape[1] < max(classes, 2):  # of a single number the greatest is always right
        raise ExportError(
            f"the output is {list(outputs.shape[1:])}, the gate's labels need one number for each of "
            f"{max(classes, 2)} classes"
        )
