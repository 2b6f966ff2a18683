"""The demo ten times in a row: what counts, and what is kept of a campaign that was stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.demo import run as campaign
from tests.bench.demo.table import page, targets


def told(number: int, **figures: Any) -> dict[str, Any]:
    usual = {"run": number, "date": "2026-11-28", "cached": number > 1, "busy": number % 2 == 0, "exit": 0}
    usual |= {"seconds": 140.0, "longest_silence_s": 8.6, "prunes": 3, "variants_ran": 4, "incident_seconds": 50.0}
    return {**usual, "not_shown": [], **figures}


def reached(runs: list[dict[str, Any]]) -> list[bool]:
    return [each["reached"] for each in targets(runs, 10)]


def test_ten_good_runs_reach_every_target_and_nine_do_not() -> None:
    assert reached([told(number) for number in range(1, 11)]) == [True] * 4
    assert reached([told(number) for number in range(1, 10)]) == [False, True, True, True]


def test_a_failed_a_slow_and_a_silent_run_are_told() -> None:
    runs = [told(number) for number in range(1, 8)]
    runs += [told(8, exit=1, not_shown=["x is late"]), told(9, seconds=151.0), told(10, longest_silence_s=10.4)]
    assert reached(runs) == [False, True, False, False]
    text = page({"repeat": "make soak-demo", "host": dict.fromkeys(("cores", "machine", "python")), "runs": runs,
                 "targets": targets(runs, 10)})  # fmt: skip
    assert "Run 8 did not show: x is late." in text
    assert "| 9 of 10 | **no** |" in text


def test_how_long_a_run_takes_beside_a_busy_core_is_no_target() -> None:
    assert reached([told(number, seconds=400.0 if number % 2 == 0 else 140.0) for number in range(1, 11)]) == [True] * 4


def test_a_stopped_campaign_goes_on_with_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = list[str]()

    def stopped(work: Path, part: str) -> dict[str, Any]:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(part)
        return told(int(part))

    monkeypatch.setattr(campaign, "_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        campaign.main(tmp_path / "work", tmp_path, False, campaign.PARTS)
    assert len(json.loads((tmp_path / "demo.json").read_text())["runs"]) == 2
    monkeypatch.setattr(campaign, "_run", lambda work, part: played.append(part) or told(int(part)))
    campaign.main(tmp_path / "work", tmp_path, False, campaign.PARTS)
    assert played == list(campaign.PARTS)
    assert len(json.loads((tmp_path / "demo.json").read_text())["runs"]) == 10
