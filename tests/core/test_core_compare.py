"""Which variants are as right as which: sample by sample where there is evidence, by intervals where there is none."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.choose import COST_NOISE, better, choose, eligible, energy
from controller.core.compare import ERROR, best_of, contenders, shown_worse, within_margin
from controller.core.nouns.evidence import paired, right_or_not
from controller.core.nouns.model import Prefer
from controller.core.nouns.variant import Precision, Variant
from controller.core.paired import Paired
from tests.core.builders import MODEL, always, floats, variant

SAMPLES = 400
FRUGAL = replace(MODEL, prefer=Prefer.FRUGAL, accuracy_margin=0.02)


def judged(name: str, right: list[bool], share: float = 0.5, gate: str = "g", **fields: object) -> Variant:
    fields = {"accuracy": sum(right) / len(right), **fields}
    return variant(name, share, evidence=right_or_not(gate, right), **fields)


def but(right: list[bool], *wrong: int) -> list[bool]:
    return [was and at not in wrong for at, was in enumerate(right)]


ALL = [True] * SAMPLES


def test_evidence_says_on_which_samples_two_variants_differ() -> None:
    one, other = (
        right_or_not("g", [True, True, False, False, True]),
        right_or_not("g", [True, False, True, False, False]),
    )
    assert paired(one, other) == Paired(5, lost=2, won=1)
    assert (one.metric, one.samples, one.figures) == ("accuracy", 5, 1)


def test_evidence_of_other_samples_is_not_compared() -> None:
    assert paired(right_or_not("g", [True]), right_or_not("h", [True])) is None
    assert paired(right_or_not("g", [True]), right_or_not("g", [True, True])) is None
    one, other = judged("one", ALL, gate="h"), judged("other", but(ALL, *range(60)))
    assert shown_worse(other, one, ERROR), "their accuracies lie apart, whatever judged them"


@pytest.mark.parametrize(("lost", "worse"), [(4, False), (5, True)])
def test_a_few_samples_that_only_one_is_right_on_tell_as_much_as_coins(lost: int, worse: bool) -> None:
    """Five of five are heads once in 32 times: below 5 %. Accuracies alone (98.75 against 100 %) would tell nothing."""
    dense, other = judged("dense", ALL), judged("other", but(ALL, *range(lost)))
    assert shown_worse(other, dense, ERROR) is worse
    assert not shown_worse(dense, other, ERROR)


def test_all_candidates_share_the_error_and_so_more_of_them_are_tied() -> None:
    best, five = judged("best", ALL), judged("five", but(ALL, *range(5)))
    others = [judged(f"{at}", but(ALL, at)) for at in range(10, 20)]
    assert contenders([best, five]) == [best]
    assert five in contenders([best, five, *others])


def test_nothing_is_tied_with_the_best_that_is_shown_to_be_worse_than_another() -> None:
    """An INT8 twin differs from its fp32 on a few samples, all for the worse; both differ from the best on many."""
    best = judged("best", [at % 20 != 0 for at in range(SAMPLES)])
    fp32 = judged("fp32", [at % 20 != 1 for at in range(SAMPLES)])
    int8 = judged("int8", [at % 20 != 1 and at not in (2, 3, 4, 5, 6, 7, 8) for at in range(SAMPLES)])
    assert not shown_worse(int8, best, ERROR / 2)
    assert [each.sha256 for each in contenders([best, fp32, int8])] == ["best", "fp32"]


def test_of_unverified_variants_only_what_kept_as_much_is_as_right() -> None:
    dense, half = variant(accuracy=None), variant("half", 0.5, accuracy=None)
    rounded = replace(dense, sha256="int8", precision=Precision.INT8)
    assert contenders([half, dense, rounded]) == [dense]
    assert contenders([half, variant(accuracy=0.5)]) == [variant(accuracy=0.5)]


def test_frugal_takes_what_is_shown_to_be_within_the_margin_and_costs_less() -> None:
    best, near = judged("best", ALL, 1.0), judged("near", but(ALL, *range(6)), 0.5)
    fitting = [best, near, judged("far", but(ALL, *range(20)), 0.2)]
    assert choose(fitting, MODEL) is best
    assert choose(fitting, FRUGAL) is best, "six lost of 400 do not show that it is within 2 points, for two at once"
    assert choose(fitting, replace(FRUGAL, accuracy_margin=0.04)) is near
    assert choose(fitting, replace(FRUGAL, accuracy_margin=None)) is best
    assert choose([], MODEL) is None


def test_a_better_variant_is_one_that_is_shown_to_be_more_right_or_to_the_frugal_one_that_costs_less() -> None:
    best, near = judged("best", ALL, 1.0), judged("near", but(ALL, *range(5)), 0.5)
    assert better(best, near, MODEL)
    assert not better(near, best, MODEL)
    assert better(near, best, replace(FRUGAL, accuracy_margin=0.04))
    twin, light = judged("twin", ALL, 0.99), judged("light", ALL, 0.9)
    assert not better(twin, best, MODEL)
    assert not better(twin, best, FRUGAL), "costs are tied within 3 %"
    assert better(light, best, FRUGAL)
    assert not better(light, best, MODEL), "as right is not more right"


def test_the_true_best_is_among_the_contenders_as_often_as_is_said() -> None:
    """Ten variants as right as each other, judged on 300 samples: each is the truly best one, and seldom left out."""
    dice, left_out, times = random.Random(1), 0, 200
    for _ in range(times):
        row = [judged(f"{at}", [dice.random() < 0.9 for _ in range(300)]) for at in range(10)]
        left_out += row[0] not in contenders(row)
    assert left_out / times <= ERROR


@st.composite
def fleets(draw: st.DrawFn) -> list[Variant]:
    """Variants with evidence and such of before there was any, some tied in everything."""
    rights = draw(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=5))
    shares = [draw(floats(0.05, 0.99)) for _ in rights]
    row = [judged(f"v{at}", right, share) for at, (right, share) in enumerate(zip(rights, shares, strict=True))]
    return [replace(each, evidence=None) if draw(st.booleans()) else each for each in row]


@always
@given(fleets(), st.randoms(), st.none() | floats(0, 0.3))
def test_the_same_facts_give_the_same_choice_and_none_is_shown_to_be_worse(
    fitting: list[Variant], dice: random.Random, margin: float | None
) -> None:
    for prefer in Prefer:
        model = replace(MODEL, prefer=prefer, accuracy_margin=margin)
        assert choose(dice.sample(fitting, len(fitting)), model) == choose(fitting, model) is not None
    chosen = choose(fitting, MODEL)
    assert chosen is not None
    assert not any(shown_worse(chosen, each, ERROR / max(len(fitting) - 1, 1)) for each in fitting)
    assert best_of(fitting) in contenders(fitting)


@always
@given(fleets(), floats(0, 0.3))
def test_frugal_chooses_from_what_accuracy_chooses_from_and_more_so_it_never_costs_more(
    fitting: list[Variant], margin: float
) -> None:
    accuracy, frugal = (replace(MODEL, prefer=prefer, accuracy_margin=margin) for prefer in Prefer)
    assert all(each in eligible(fitting, frugal) for each in eligible(fitting, accuracy))
    dear, cheap = choose(fitting, accuracy), choose(fitting, frugal)
    assert dear is not None
    assert cheap is not None
    assert energy(cheap) <= energy(dear) * (1 + COST_NOISE), "but for what is tied"


@always
@given(fleets(), floats(0, 1))
def test_within_a_margin_there_is_always_the_best(fitting: list[Variant], margin: float) -> None:
    assert best_of(fitting) in within_margin(fitting, margin)
    assert set(map(id, within_margin(fitting, margin))) <= set(map(id, within_margin(fitting, 1.0)))
