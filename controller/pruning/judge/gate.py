"""Whether a variant is right often enough to ship. A pure decision with its figures."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.paired import ONE_SIDED, Paired
from controller.pruning.judge.accuracy import Accuracy


@dataclass(frozen=True, slots=True)
class Gate:
    """`floor` is the least accuracy; `margin` how much worse than the dense model a variant may be. Both shares.

    One that is worse than the margin passes with a chance of at most `error`.
    """

    floor: float | None = None
    margin: float | None = None
    error: float = ONE_SIDED


@dataclass(frozen=True, slots=True)
class Verdict:
    """`verified` is False where nothing could be judged: the variant passes, and its accuracy is unknown."""

    passed: bool
    reason: str
    verified: bool = True


def judge(accuracy: Accuracy | None, paired: Paired | None, gate: Gate, agreement: Accuracy | None = None) -> Verdict:
    """Judge a variant by its `accuracy` on the gate's labels and `paired` with the dense model there.

    The floor is compared with the accuracy measured, as its owner would compare it, and not with the interval's lower
    end. `paired` is None for the dense model itself, which no margin applies to. Without labels `agreement`, the share
    of the dense model's top-1 answers that the variant gives too, is told instead.
    """
    if accuracy is None:
        return Verdict(True, _unverified(agreement), verified=False)
    measured = (
        f"{accuracy.share:.1%} (95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}, {accuracy.samples} samples)"
    )
    if gate.floor is not None and accuracy.share < gate.floor:
        return Verdict(False, f"accuracy {measured} is below the floor of {_percent(gate.floor)} %")
    if gate.margin is not None and paired is not None and not paired.non_inferior(gate.margin, gate.error):
        return Verdict(False, _inferior(paired, gate.margin, gate.error))
    return Verdict(True, f"accuracy {measured}")


def _inferior(paired: Paired, margin: float, error: float) -> str:
    needed = paired.samples_needed(margin, error)
    if needed is None:
        way_out = "no number of samples would show it at this drop"
    else:
        way_out = f"at least {needed} would be needed to show it"
    return (
        f"may be up to {_percent(paired.highest(error))} pp worse than the dense model, {_percent(margin)} pp is "
        f"allowed (measured {_percent(paired.drop)} pp on {paired.samples} samples; {way_out})"
    )


def _unverified(agreement: Accuracy | None) -> str:
    if agreement is None:
        return "accuracy is unverified: there is no data to judge by"
    return (
        f"accuracy is unverified: the gate has no labels; {agreement.share:.1%} of {agreement.samples} top-1 answers "
        "are the dense model's"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".")
