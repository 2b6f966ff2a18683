"""Commands about many devices: how they are named, what is printed, how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from controller.cli.documents import profiles_in
from controller.core.intents import AddToBulk, AskBulk, StartBulk
from controller.core.nouns.bulk import BulkKind
from controller.core.nouns.device import DeviceState
from tests.real import RealController
from tests.stories.test_story_bulk import pending

Run = Callable[..., Result]


@pytest.fixture
def fleet(controller: RealController) -> RealController:
    controller.put(lambda tx: tx.put_devices([pending(f"d{at}", "north" if at % 2 else "south") for at in range(6)]))
    return controller


def state(controller: RealController, device: str) -> DeviceState:
    return controller.device(device).state


def answer(result: Result, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


def test_a_selector_names_many_and_progress_is_told(run: Run, fleet: RealController) -> None:
    result = run("device", "accept", "-l", "site=north")
    assert result.exit_code == 0, result.stderr
    assert "accept of 3 devices is b1" in result.stderr
    assert "bulk b1: 3 of 3" in result.stderr
    assert "done: 3" in result.stdout
    assert [state(fleet, f"d{at}") for at in (1, 3, 0)] == ["accepted", "accepted", "pending"]


def test_all_that_are_pending(run: Run, fleet: RealController) -> None:
    assert answer(run("device", "accept", "--all-pending", "-o", "json"))["done"] == 6
    assert [state(fleet, f"d{at}") for at in range(6)] == ["accepted"] * 6


def test_without_waiting_only_the_id_is_printed_and_the_same_token_asks_once(run: Run, fleet: RealController) -> None:
    arguments = ("device", "accept", "-l", "site=south", "--no-wait", "--token", "tuesday")
    assert [run(*arguments).stdout for _ in range(2)] == ["b1\n", "b1\n"]
    assert "b1" in run("bulk", "list").stdout
    assert answer(run("bulk", "show", "b1", "-o", "json"))["token"] == "tuesday"
    assert run("bulk", "show", "b2").exit_code == 1


def test_what_fails_is_listed_and_exits_1(run: Run, fleet: RealController) -> None:
    result = run("device", "revoke", "--stdin", text="d1\nnobody\n\nd3\n")
    assert result.exit_code == 1
    assert "failed: 1" in result.stdout
    assert "device 'nobody' is not known" in result.stdout
    assert state(fleet, "d3") == "revoked"
    told = answer(run("device", "recalibrate", "--stdin", "-o", "json", text="d1\nnobody\n"), exit_code=1)
    assert [each["device"] for each in told["failures"]] == ["nobody"]


def test_a_few_ids_are_done_one_by_one_and_many_as_one_request(run: Run, fleet: RealController) -> None:
    assert run("device", "accept", "d0", "d1").stdout.count("accepted") == 2
    fleet.asked.clear()
    many = [f"d{at % 6}" for at in range(101)]
    assert answer(run("device", "accept", *many, "-o", "json"))["done"] == 101
    assert [type(each) for each in fleet.asked] == [AskBulk, AddToBulk, StartBulk]


def test_a_folder_of_profiles_is_registered(run: Run, controller: RealController, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    assert run("device", "register", "-f", str(folder)).exit_code == 2
    for at in range(3):
        (folder / f"n{at}.yaml").write_text(f"device: n-{at}\n")
    (folder / "readme.txt").write_text("no profile")
    assert answer(run("device", "register", "-f", str(folder), "-o", "json"))["done"] == 3
    (folder / "n1.yaml").write_text("device: n-1\nmemory: {total: 96 apples}\n")
    result = run("device", "register", "-f", str(folder))
    assert (result.exit_code, "n1.yaml:2: memory.total" in result.stdout) == (1, True)


def test_a_file_that_cannot_be_read_is_listed_and_the_others_are_registered(
    run: Run, controller: RealController, tmp_path: Path
) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    for at in range(3):
        (folder / f"n{at}.yaml").write_text(f"device: n-{at}\n")
    (folder / "n1.yaml").write_bytes(b"device: n-1 # \xff\n")
    (folder / "n3.yaml").symlink_to(tmp_path / "nowhere")
    told = answer(run("device", "register", "-f", str(folder), "-o", "json"), exit_code=1)
    assert (told["total"], told["done"], told["failed"]) == (4, 2, 2)
    assert [Path(each["device"]).name for each in told["failures"]] == ["n1.yaml", "n3.yaml"]
    assert "n1.yaml cannot be read: 'utf-8' codec" in told["failures"][0]["reason"]
    with controller.store.read() as tx:
        assert [each.id for each in tx.devices()] == ["n-0", "n-2"]


def test_also_of_one_the_token_asks_once_and_nobody_waits_who_says_so(
    run: Run, fleet: RealController, tmp_path: Path
) -> None:
    file = tmp_path / "n.yaml"
    file.write_text("device: n-1\n")
    for _ in range(2):
        assert answer(run("device", "register", "-f", str(file), "--token", "mine", "-o", "json"))["id"] == "b1"
    assert run("device", "register", "-f", str(file), "--no-wait").stdout == "b2\n"
    assert run("device", "register", "-f", "-", "--no-wait", text="device: n-2\n").stdout == "b3\n"
    assert run("device", "accept", "d0", "--no-wait").stdout == "b4\n"
    assert (state(fleet, "n-2"), state(fleet, "d0")) == ("accepted", "accepted")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# all of ours\n---\ndevice: n-1\n---\n  # none yet\n\n---\ndevice: n-2\n", ["n-1", "n-2"]),
        ("# nothing\n", []),
        ("n-1\nn-2\n", ["n-1", "n-2"]),
        ('{"device": "n-1", "rate": "4 Hz"}\n"n-2"\n', ["n-1", "n-2"]),
        ("device: n-1\n---\ndevice: n-2\nrate: 4 Hz\n", ["n-1", "n-2"]),
        ("---\ndevice: n-1\n", ["n-1"]),
        ("", []),
    ],
)
def test_standard_input_has_ids_json_lines_or_yaml_documents(
    run: Run, controller: RealController, text: str, expected: list[str]
) -> None:
    assert answer(run("device", "register", "--stdin", "-o", "json", text=text))["done"] == len(expected)
    with controller.store.read() as tx:
        assert [each.id for each in tx.devices()] == expected


def test_a_document_that_is_wrong_is_named(run: Run, controller: RealController) -> None:
    result = run("device", "register", "--stdin", text="device: n-1\n---\nmemory: {}\n")
    assert (result.exit_code, "standard input, document 2" in result.stdout) == (1, True)
    assert [each["source"] for each in profiles_in('"a"\n\n"b"\n', "standard input")] == [
        "standard input:1", "standard input:3"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ("accept",),
        ("accept", "d0", "-l", "site=north"),
        ("accept", "--all-pending", "-l", "site=north"),
        ("accept", "-l", "north"),
        ("revoke", "-l", ""),
        ("register",),
        ("register", "-f", "x.yaml", "--stdin"),
    ],
)
def test_what_is_not_clear_exits_2(run: Run, fleet: RealController, arguments: tuple[str, ...]) -> None:
    result = run("device", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert [state(fleet, f"d{at}") for at in range(6)] == ["pending"] * 6


def test_a_line_that_is_no_id_is_named_and_nothing_is_asked(run: Run, fleet: RealController) -> None:
    result = run("device", "accept", "--stdin", text="d0\nNo Id\n")
    assert (result.exit_code, "line 2: 'No Id'" in result.stderr) == (2, True)
    assert fleet.asked == []


def test_an_upload_of_many_goes_in_parts_and_goes_on_where_it_ended(
    fleet: RealController, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.client._AT_ONCE", 2)
    fleet.ask(AskBulk(BulkKind.ACCEPT, "t"))
    fleet.ask(AddToBulk("b1", 0, ("d0",)))
    result = run("device", "accept", "d0", "d1", "d2", "d3", "--token", "t", "-o", "json")
    assert answer(result)["done"] == 4
    assert [each.items for each in fleet.asked if isinstance(each, AddToBulk)] == [("d1", "d2"), ("d3",)]


def test_lists_are_read_page_by_page(fleet: RealController, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.client._PAGE", 2)
    assert [each["id"] for each in answer(run("device", "list", "-o", "json"))] == [f"d{at}" for at in range(6)]
    shown = answer(run("device", "list", "-l", "site=north", "--limit", "2", "-o", "json"))
    assert [each["id"] for each in shown] == ["d1", "d3"]
    assert answer(run("device", "list", "--state", "revoked", "-o", "json")) == []
    assert run("device", "list", "--state", "asleep").exit_code == 2
