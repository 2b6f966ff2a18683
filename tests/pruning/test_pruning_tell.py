"""How a long step tells how far it has come."""

from __future__ import annotations

from controller.pruning.tell import Countdown


class Told:
    def __init__(self) -> None:
        self.now_s, self.lines = 100.0, list[tuple[float, str]]()
        self.countdown = Countdown(lambda share, text: self.lines.append((share, text)), "ranking", lambda: self.now_s)

    def after(self, seconds: float, share: float) -> None:
        self.now_s += seconds
        self.countdown(share)


def test_it_tells_what_is_left_at_the_pace_so_far() -> None:
    told = Told()
    told.after(0, 0.0)
    told.after(10, 0.25)
    told.after(20, 0.75)
    assert told.lines == [
        (0.0, "ranking"),
        (0.25, "ranking: 25% done, about 30 s left"),
        (0.75, "ranking: 75% done, about 10 s left"),
    ]


def test_many_quick_parts_are_a_line_a_second() -> None:
    told = Told()
    for part in range(100):
        told.after(0.1, part / 100)
    assert 9 <= len(told.lines) <= 11


def test_what_an_earlier_job_did_is_not_taken_for_speed() -> None:
    told = Told()
    told.after(0, 0.5)
    told.after(10, 0.6)
    assert told.lines[-1] == (0.6, "ranking: 60% done, about 40 s left")


def test_the_next_batch_has_a_pace_of_its_own() -> None:
    told = Told()
    told.after(0, 0.0)
    told.after(10, 0.5)
    told.after(100, 0.0)
    told.after(10, 0.5)
    assert [text for _, text in told.lines[2:]] == ["ranking", "ranking: 50% done, about 10 s left"]
