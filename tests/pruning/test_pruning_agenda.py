"""What a refine job's budget amounts to, and that what is done of it is done once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.pruning.jobs.agenda import Agenda, Tried, counts

budgets, epochs, paces = st.floats(0.0, 1e5), st.floats(0.1, 100.0), st.floats(0.01, 1e3)


@given(budgets, epochs, paces)
def test_what_is_tried_and_trained_takes_no_longer_than_the_budget(
    budget_s: float, given: float, pace_s: float
) -> None:
    """But for one recovery as the owner asked for it, without which there is nothing to refine."""
    todo = counts(budget_s, given, pace_s)
    tried_s, last_s = todo.trials * todo.brief_epochs * pace_s, todo.epochs * pace_s
    assert tried_s <= budget_s * 0.5 + 1e-6
    assert last_s <= max(budget_s * 0.4, given * pace_s) + 0.01 * pace_s
    assert 0 <= todo.trials <= 24


@given(budgets, epochs, paces, st.floats(1.0, 10.0))
def test_a_larger_budget_goes_on_where_the_smaller_one_ended(
    budget_s: float, given: float, pace_s: float, more: float
) -> None:
    less, larger = counts(budget_s, given, pace_s), counts(budget_s * more, given, pace_s)
    assert larger.trials >= less.trials
    assert larger.epochs >= less.epochs
    assert larger.brief_epochs == less.brief_epochs


def test_what_was_tried_is_there_after_a_restart_and_the_pace_is_the_first_one(tmp_path: Path) -> None:
    file = tmp_path / "refine.json"
    first = Agenda.of(file, 1.5, epoch_s=2.0)
    for name, distance in (("a", 0.5), ("b", 0.2), ("c", None), ("d", 0.3)):
        first.note(Tried({"stem": 1.5}, name, 0.1, distance))
    again = Agenda.of(file, 12.0, epoch_s=9.0)
    assert (again.epochs, again.epoch_s) == (1.5, 2.0)
    assert again.tried == first.tried
    assert again.best is not None
    assert again.best.structure == "b"
    assert again.known("c")
    assert not again.known("e")


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"epoch_s": 1}'])
def test_what_cannot_be_read_is_begun_anew(rubbish: bytes, tmp_path: Path) -> None:
    file = tmp_path / "refine.json"
    file.write_bytes(rubbish)
    assert Agenda.of(file, 1.0, epoch_s=3.0).tried == []
    assert Agenda.of(file, 1.0, epoch_s=4.0).epoch_s == 3.0


def test_before_anything_was_judged_nothing_is_best(tmp_path: Path) -> None:
    agenda = Agenda.of(tmp_path / "refine.json", 1.0, 1.0)
    agenda.note(Tried({}, "a", 0.1, None))
    assert agenda.best is None


def test_how_estimates_and_what_was_found_agree(tmp_path: Path) -> None:
    agenda = Agenda.of(tmp_path / "refine.json", 1.0, 1.0)
    for number, estimated in enumerate((0.1, 0.4, 0.2, 0.3)):
        assert agenda.agreement == {"cuts": number}
        agenda.note(Tried({}, str(number), estimated, 2 * estimated))
    agenda.note(Tried({}, "did not fit", 9.0, None))
    assert agenda.agreement == pytest.approx({"cuts": 4, "rank_correlation": 1.0, "found_by_estimated": 2.0})
