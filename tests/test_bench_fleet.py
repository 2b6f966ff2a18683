"""What the benchmark of a large fleet makes of its measurements, and the packets that its devices speak."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from agent.wire.errors import WireError
from agent.wire.messages import Info, Reported, Telemetry, Window, decode, encode
from agent.wire.plausible import sensible
from agent.wire.profile import parse_profile
from agent.wire.topics import DeviceTopic, Leaf
from tests.bench.fleet import devices, packets
from tests.bench.fleet.cases import PARTS, cases
from tests.bench.fleet.disk import filesystem
from tests.bench.fleet.figures import quantile, summary
from tests.bench.fleet.limits import Until
from tests.bench.fleet.page import page
from tests.bench.fleet.play import played
from tests.bench.fleet.targets import targets

Row = dict[str, Any]
_MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:20 / /tmp rw - tmpfs tmpfs rw
24 22 0:21 / /data\\040set rw - xfs /dev/vdb rw
"""
_GROUND: Row = {"disk": {"filesystem": "ext4", "fsync_s": 0.004}, "broker": "mosquitto 2.0.11", "ended": True}


def _accepted(*sizes: tuple[int, float]) -> Row:
    rows = {str(size): {"seconds": seconds, "accepted": size, "durability": "sqlite"} for size, seconds in sizes}
    return _GROUND | {"cases": rows}


def _ingested(**hz: float) -> Row:
    return _GROUND | {"cases": {name: {"windows_hz": value, "missing": 0} for name, value in hz.items()}}


def _reached(known: dict[str, Row]) -> dict[str, bool]:
    return {each["name"]: each["reached"] for each in targets(known)}


# --- figures and targets ---------------------------------------------------------------------------------------------


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert [quantile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.999, 1.0)] == [1.0, 2.0, 3.0, 3.0]


def test_nothing_measured_has_no_figures() -> None:
    assert summary([]) == {}


def test_one_slow_turn_of_a_thousand_is_not_in_the_999th_share() -> None:
    told = summary([0.001] * 999 + [9.0])
    assert (told["p999_s"], told["max_s"]) == (0.001, 9.0)


def test_ten_times_the_devices_in_ten_times_the_time_is_linear() -> None:
    assert list(_reached({"accept-each": _accepted((1_000, 2.0), (10_000, 21.0))}).values()) == [True]
    assert list(_reached({"accept-each": _accepted((1_000, 2.0), (10_000, 200.0))}).values()) == [False]


def test_one_request_for_many_is_linear_and_in_time_up_to_the_whole_fleet() -> None:
    def reached(*sizes: tuple[int, float]) -> list[bool]:
        return list(_reached({"accept-bulk": _accepted(*sizes)}).values())

    assert reached((1_000, 0.5), (100_000, 50.0)) == [True, True]
    assert reached((1_000, 0.1), (100_000, 50.0)) == [True, False]
    assert reached((1_000, 0.7), (100_000, 70.0)) == [False, True]
    assert reached((1_000, 0.5)) == [False, False]


def test_a_size_that_was_not_reached_misses_the_target_and_is_told() -> None:
    part = _accepted((1_000, 2.0))
    part["cases"]["10000"] = {"cut": "7 of 10,000 accepted in 510 s", "durability": "sqlite"}
    (told,) = targets({"accept-each": part})
    assert not told["reached"]
    assert told["measured"] == "1,000: 2 s; at 10,000: 7 of 10,000 accepted in 510 s"


def test_the_script_counts_in_the_same_run() -> None:
    reached = _reached({"ingest-batch": _ingested(controller=40_000.0, script=21_000.0)})
    assert reached == {"ingest-batch: windows a second": True, "ingest-batch: beside the script": False}
    assert _reached({"ingest-each": _ingested(controller=8_000.0, script=9_000.0)}) == {
        "ingest-each: beside the script": True
    }


def test_windows_that_are_acknowledged_and_not_there_are_no_ingest() -> None:
    part = _ingested(controller=90_000.0, script=1.0)
    part["cases"]["controller"]["missing"] = 1
    assert not any(_reached({"ingest-batch": part}).values())


def test_a_small_fleet_is_no_proof_for_a_large_one() -> None:
    row = {"first_s": 0.1, "placed_s": 1.0, "last_s": 1.0}
    assert set(_reached({"rollout": _GROUND | {"cases": {"1000": row}}}).values()) == {False}
    assert set(_reached({"rollout": _GROUND | {"cases": {"100000": row}}}).values()) == {True}


def test_the_page_tells_of_every_part_what_was_and_what_was_not_reached() -> None:
    part = _accepted((1_000, 2.0))
    part["cases"]["10000"] = {"cut": "7 of 10,000 accepted", "durability": "sqlite"}
    known = {"accept-each": part}
    results = {"repeat": "make", "date": "today", "host": {"cores": 2, "machine": "m", "python": "3"}, "parts": known}
    text = page(results | {"targets": targets(known)})
    assert "| accept-each | 1,000 | 2.0 s, 2.0 ms a request |" in text
    assert "| accept-each | 10,000 | 7 of 10,000 accepted |" in text
    assert "| accept-each | ext4 | 4.0 ms | mosquitto 2.0.11 | sqlite |" in text


# --- parts and what is kept of them ----------------------------------------------------------------------------------


def test_each_part_has_cases_and_only_those_for_postgresql_go_there() -> None:
    for part in PARTS:
        assert cases(part)
        assert {case["postgres"] for case in cases(part).values()} == {part.startswith("postgres-")}


def _played(folder: Path, answers: dict[str, Row], left_s: float = 500.0) -> tuple[Row, list[str]]:
    asked = list[str]()

    def measure(name: str, _case: Row, _limit_s: float) -> Row:
        asked.append(name)
        return answers[name]

    three = {name: {"what": "accept"} for name in ("a", "b", "c")}
    return played(three, folder / "cases.json", measure, Until(left_s)), asked


def test_what_a_stopped_run_has_measured_is_not_measured_again(tmp_path: Path) -> None:
    row, asked = _played(tmp_path, {"a": {}}, left_s=-1.0)
    assert (row["ended"], asked) == (False, ["a"])
    row, asked = _played(tmp_path, {"b": {}, "c": {}})
    assert (row["ended"], asked) == (True, ["b", "c"])


def test_what_was_cut_with_all_the_time_there_is_ends_the_part(tmp_path: Path) -> None:
    row, asked = _played(tmp_path, {"a": {"cut": "half"}})
    assert (row, asked) == ({"cases": {"a": {"cut": "half"}}, "ended": True}, ["a"])


def test_what_was_cut_since_others_took_the_time_is_begun_anew(tmp_path: Path) -> None:
    row, _ = _played(tmp_path, {"a": {}, "b": {"cut": "half"}})
    assert row == {"cases": {"a": {}}, "ended": False}
    row, asked = _played(tmp_path, {"b": {}, "c": {}})
    assert (row["ended"], asked) == (True, ["b", "c"])


def test_the_script_gets_as_many_rows_as_the_controller_had(tmp_path: Path) -> None:
    given = dict[str, Row]()

    def measure(name: str, case: Row, _limit_s: float) -> Row:
        given[name] = case
        return {"rows_before": 7}

    played(
        {name: {"what": name, "rows": 5_000_000} for name in ("controller", "script")},
        tmp_path / "cases.json",
        measure,
        Until(500.0),
    )
    assert [case["rows"] for case in given.values()] == [5_000_000, 7]


# --- the disk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "kind"), [("/var/lib", "ext4"), ("/tmp/state", "tmpfs"), ("/tmp2", "ext4"), ("/data set/a", "xfs")]
)
def test_the_innermost_mount_is_the_filesystem(folder: str, kind: str) -> None:
    assert filesystem(_MOUNTS, Path(folder)) == kind


# --- packets and messages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "piece"), [(0, 1), (100, 7), (127, 1), (128, 1), (20_000, 7), (3_000_000, 1 << 20)])
def test_a_packet_is_read_from_pieces_of_any_size(size: int, piece: int) -> None:
    sent = packets.publish(b"a/b", b"x" * size, 515, retain=True) + packets.puback(b"\x00\x07")
    reader = packets.Reader()
    found = [packet for at in range(0, len(sent), piece) for packet in reader.packets(sent[at : at + piece])]
    assert [packet.kind for packet in found] == [packets.PUBLISH, packets.PUBACK]
    assert packets.published(found[0]) == (b"a/b", b"\x02\x03", b"x" * size)


def test_a_message_without_an_acknowledgement_has_no_id() -> None:
    assert packets.published(packets.Packet(packets.PUBLISH, 0, b"\x00\x03a/bxy")) == (b"a/b", b"", b"xy")


def test_the_devices_telemetry_is_what_an_agent_could_send() -> None:
    payload = devices.Windows("f" * 64).message("dev-000007", 21, 10)
    told = decode(DeviceTopic("dev-000007", Leaf.TELEMETRY), payload)
    assert isinstance(told, Telemetry)
    assert [window.seq for window in told.windows] == list(range(21, 31))
    assert not [why for window in told.windows for why in sensible(window)[1]]


def test_the_troubled_are_too_slow_and_the_others_are_not() -> None:
    told = decode(DeviceTopic("dev-000007", Leaf.TELEMETRY), devices.breaching("dev-000007", "f" * 64, 1, 5))
    deadline_s = parse_profile(devices.profile("dev-000007"), "a test").deadline_s
    assert isinstance(told, Telemetry)
    assert deadline_s is not None
    assert all((window.latency_p95_ms or 0) * 1e-3 > deadline_s for window in told.windows)
    well: Window = devices.window(random.Random(1), None)
    assert (well.latency_p95_ms or 0) * 1e-3 < deadline_s


def test_a_device_answers_the_assignment_that_it_was_given() -> None:
    payload = devices.answer("dev-000007", devices.Told(epoch=2, seq=3, sha256="f" * 64))
    told = decode(DeviceTopic("dev-000007", Leaf.REPORTED), payload)
    assert isinstance(told, Reported)
    assert (told.epoch, told.seq, told.sha256, told.result) == (2, 3, "f" * 64, "succeeded")


def test_what_a_device_says_of_itself_is_its_own() -> None:
    told = decode(DeviceTopic("dev-000007", Leaf.INFO), devices.info("dev-000007"))
    assert isinstance(told, Info)
    assert parse_profile(told.profile, "a test").device == "dev-000007"
    with pytest.raises(WireError):
        decode(DeviceTopic("dev-000008", Leaf.INFO), encode(told))
