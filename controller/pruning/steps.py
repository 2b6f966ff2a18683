"""The steps of a job, and how long they take here: told ahead from what they took before, and told again as they go."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from controller.pruning.job import Progress
from controller.pruning.paces import Paces

_SAY_EVERY_S = 1.0
_LEAST = 0.1  # of what was expected is left of a step that takes longer
_SURE = 0.1  # of a step must be done before its own pace counts for more than what was expected


class Step(StrEnum):
    """What a job does, in the words that its progress is told in."""

    LOADING = "loading"
    DENSE = "measuring the dense model"
    SMALLEST = "measuring the smallest structure"
    ESTIMATING = "estimating what each unit is worth"
    PRICING = "pricing widths"
    CHOOSING = "choosing a structure"
    RECOVERING = "recovering"
    SHIPPING = "measuring what ships"
    JUDGING = "judging accuracy"


@dataclass(frozen=True, slots=True)
class Ahead:
    """A step that is to come, and how much `work` it is, in the step's own unit."""

    step: Step
    work: float = 1.0


@dataclass
class Steps:
    """`say` hears the share that is done of the whole job and, in words, what goes on, for how long still, and what the
    `best` is so far. `part` says which of several like parts it is in."""

    say: Progress
    paces: Paces
    clock: Callable[[], float] = time.monotonic
    best: str = field(default="", init=False)
    part: str = field(default="", init=False)
    took: dict[Step, float] = field(default_factory=dict, init=False)
    _now: Ahead = field(default=Ahead(Step.LOADING), init=False)
    _ahead: list[Ahead] = field(default_factory=list, init=False)
    _began_s: float = field(default=0.0, init=False)
    _step_s: float = field(default=0.0, init=False)
    _done: float = field(default=0.0, init=False)
    _paced: tuple[float, float] | None = field(default=None, init=False)  # when, and what was done of the step then
    _said_s: float = field(default=-math.inf, init=False)
    _planned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._began_s = self._step_s = self.clock()

    def expect(self, ahead: Sequence[Ahead]) -> None:
        """What comes after the step that goes on; what was expected before is forgotten."""
        self._ahead, self._planned = list(ahead), True

    def enter(self, step: Step, work: float | None = None, text: str = "") -> None:
        """The step before has ended; of those that are expected this one is no longer ahead."""
        self._end()
        at = next((at for at, each in enumerate(self._ahead) if each.step is step), None)
        planned = Ahead(step) if at is None else self._ahead.pop(at)
        self._now = planned if work is None else Ahead(step, work)
        self._step_s, self._done, self._paced, self._said_s = self.clock(), 0.0, None, -math.inf
        self.within(None, text)

    def within(self, done: float | None, text: str = "") -> None:
        """A share `done` of the step, where that is known; said once a second, or less often.

        What an earlier job did of it is not taken for speed, and a share that falls begins anew.
        """
        now_s = self.clock()
        if done is not None:
            self._paced = (now_s, done) if self._paced is None or done < self._done else self._paced
            self._done = done
        if now_s - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = now_s
        left_s, passed_s = self.left_s, now_s - self._began_s
        share = 0.0 if left_s is None else passed_s / max(passed_s + left_s, 1e-9)
        told = ": ".join(filter(None, (self.part, str(self._now.step), text)))
        self.say(share, "; ".join(filter(None, (told, _left(left_s), self.best))))

    def close(self) -> None:
        """The job has ended: what its last step took is known."""
        self._end()

    @property
    def left_s(self) -> float | None:
        """Of the whole job; None before it is known what it has to do."""
        if not self._planned:
            return None
        return self._left_of_step_s() + self.seconds(self._ahead)

    def seconds(self, ahead: Sequence[Ahead]) -> float:
        """What these are expected to take here."""
        return sum(self.paces.seconds(each.step, each.work) for each in ahead)

    def _left_of_step_s(self) -> float:
        expected_s, now_s = self.paces.seconds(self._now.step, self._now.work), self.clock()
        by_table_s = max(expected_s - (now_s - self._step_s), _LEAST * expected_s)
        since_s, before = self._paced or (now_s, 0.0)
        gone = self._done - before
        if gone <= 0:
            return by_table_s
        trust = min(1.0, gone / _SURE)
        return trust * (now_s - since_s) * (1 - self._done) / gone + (1 - trust) * by_table_s

    def _end(self) -> None:
        now_s = self.clock()
        seconds, self._step_s = now_s - self._step_s, now_s
        self.took[self._now.step] = self.took.get(self._now.step, 0.0) + seconds
        self.paces.note(self._now.step, self._now.work, seconds)


def unheard() -> Steps:
    """For who does not follow the job."""
    return Steps(lambda _share, _text: None, Paces(None))


def _left(left_s: float | None) -> str:
    return "" if left_s is None else f"about {left_s:.0f} s left"
