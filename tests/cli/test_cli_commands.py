"""Each command: what it asks for, what it prints where, how it exits."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from agent.wire.messages import Window
from controller.core.intents import AbortRollout, AddModel, RecalibrateDevice, RegisterDevice, SetModel, StartRollout
from controller.core.nouns.incident import BreachKind, Incident
from controller.core.nouns.job import JobState
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.variant import Precision, Variant
from tests.cli.conftest import ends, meanwhile
from tests.real import DENSE, SHA, RealController
from tests.stories.world import write_spec

Run = Callable[..., Result]
PROFILE = "device: cam-1\nclass: camera\nlabels: {site: north}\nmemory: {total: 96 MiB}\n"


def variant(sha256: str = SHA, **fields: Any) -> Variant:
    known: dict[str, Any] = {
        "size_bytes": 900_000, "precision": Precision.INT8, "ram_bytes": 3_000_000, "ram_base_bytes": 50_000_000,
        "latency_p50_s": 0.003, "latency_p95_s": 0.004, "parameters": 10_000, "accuracy": 0.91,
        "lineage": {"predicted": {"latency_p95_s": 0.0042}},
    }  # fmt: skip
    return Variant(sha256=sha256, model="fall@1", **{**known, **fields})


@pytest.fixture
def fleet(controller: RealController) -> RealController:
    controller.ask(RegisterDevice(PROFILE))
    controller.add("fall", dense=variant(DENSE, dense=True))
    return controller


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_register_from_a_file_and_from_standard_input(run: Run, controller: RealController, tmp_path: Path) -> None:
    file = tmp_path / "cam-1.yaml"
    file.write_text(PROFILE)
    result = run("device", "register", "-f", str(file), "-o", "json")
    assert answer(result)["id"] == "cam-1"
    assert result.stderr == "device cam-1 is accepted\n"
    assert controller.asked == [RegisterDevice(PROFILE, str(file))]
    assert run("device", "register", "-f", "-", text="device: cam-2\n").exit_code == 0


def test_a_bad_profile_exits_2_with_file_line_and_key(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("device: cam-1\nmemory: {total: 96 apples}\n")
    result = run("device", "register", "-f", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "bad.yaml:2: memory.total" in result.stderr
    assert run("device", "register", "-f", str(tmp_path / "none.yaml")).exit_code == 2


def test_health_is_the_controller_itself_and_fails_while_something_is_wrong_with_it(
    run: Run, fleet: RealController
) -> None:
    well = run("health")
    assert (well.exit_code, well.stdout.splitlines()[0]) == (0, "status: ok")
    assert "devices_unknown: 1" in well.stdout
    fleet.broker.stop()
    fleet.tick()
    ill = run("health")
    assert (ill.exit_code, ill.stdout.splitlines()[:3]) == (
        1, ["status: degraded", "reasons:", "  - the broker is not reached: the broker went down"],
    )  # fmt: skip


def test_devices_as_a_table_in_human_units_and_as_json_in_si(run: Run, fleet: RealController) -> None:
    window = Window(seq=1, duration_s=5, count=9, latency_p95_ms=12.5)
    fleet.put(lambda tx: tx.add_windows("cam-1", "b1", 1.0, [window]))
    table = run("device", "list").stdout.splitlines()
    assert table[0].split()[:4] == ["DEVICE", "CLASS", "STATE", "PRESENCE"]
    assert "12.5 ms" in table[1]
    assert "96 MiB" in table[1]
    (device,) = answer(run("device", "list", "-o", "json"))
    assert (device["latency_p95_ms"], device["ram_limit_bytes"]) == (12.5, 96 * 2**20)
    assert answer(run("device", "show", "cam-1", "-o", "json")) == device


def test_accept_and_revoke(run: Run, fleet: RealController) -> None:
    assert answer(run("device", "revoke", "cam-1", "-o", "json"))["state"] == "revoked"
    assert "state: accepted" in run("device", "accept", "cam-1").stdout


def test_what_is_forgotten_is_not_known_any_more(run: Run, fleet: RealController) -> None:
    assert run("device", "forget", "cam-1").stdout.split() == ["ID", "cam-1"]
    assert run("device", "show", "cam-1").exit_code == 1
    assert run("device", "forget", "cam-1").exit_code == 1


def test_recalibrate_one_or_several(run: Run, fleet: RealController) -> None:
    assert "slowness_source: declared" in run("device", "recalibrate", "cam-1").stdout
    assert fleet.asked == [RecalibrateDevice("cam-1")]
    assert run("device", "recalibrate", "cam-1", "cam-1").stdout.count("cam-1") == 2
    assert run("device", "recalibrate", "nobody").exit_code == 1


def test_what_is_not_there_exits_1_and_says_so(run: Run) -> None:
    result = run("device", "show", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: there is no device 'nobody'\n"
    for arguments in (("rollout", "status", "r"), ("incident", "show", "i"), ("telemetry", "d"), ("plan", "m")):
        assert run(*arguments).exit_code == 1
    assert run("device", "show", "../health").exit_code == 1


def test_models_with_their_variants(run: Run, controller: RealController, tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "fall")
    ending = meanwhile(controller, ends(controller, state=JobState.DONE, variant=variant(DENSE, dense=True)))
    assert answer(run("model", "add", "-f", str(spec), "-o", "json"))["ref"] == "fall@1"
    ending.join()
    assert controller.asked == [AddModel(str(spec.resolve()))]
    assert run("model", "add", "-f", str(spec)).exit_code == 0
    for name in ("none.yaml", "x" * 300):
        assert run("model", "add", "-f", str(tmp_path / name)).exit_code == 2
    controller.put(lambda tx: tx.put_variant(variant()))
    assert "fall@1" in run("model", "list").stdout
    shown = run("model", "show", "fall").stdout
    assert "2.86 MiB" in shown
    assert "91 %" in shown
    assert "105 %" in shown  # the latency that was predicted, of what was measured
    assert "kept dense" not in shown
    lineage = {"kept_dense": {"shuffle": "runs through a channel shuffle"}}
    controller.put(lambda tx: tx.put_variant(variant(DENSE, dense=True, lineage=lineage)))
    assert "kept dense:\n  shuffle: runs through a channel shuffle" in run("model", "show", "fall").stdout
    assert answer(run("model", "show", "fall@1", "-o", "json"))["variants"][0]["latency_p95_ms"] == 4.0
    (tmp_path / "weights.safetensors").write_bytes(b"other weights")
    refused = run("model", "add", "-f", str(spec))
    assert (refused.exit_code, "give it a new version" in refused.stderr) == (1, True)


def test_how_long_a_models_variants_may_be_made_better_is_set_and_shown(run: Run, fleet: RealController) -> None:
    assert run("model", "set", "fall", "--refine", "10").exit_code == 2
    assert fleet.asked == []
    result = run("model", "set", "fall", "--refine", "10min")
    assert result.exit_code == 0, result.stderr
    assert fleet.asked == [SetModel("fall@1", refine_s=600.0)]
    assert "refine: 10 min\n" in result.stdout
    assert answer(run("model", "set", "fall", "--ladder", "0", "-o", "json"))["refine_s"] == 600.0
    assert answer(run("model", "set", "fall", "--refine", "0s", "-o", "json"))["refine_s"] == 0.0


ROOMY = PROFILE + "deadline: 20 ms\n"
TIGHT = ROOMY.replace("96 MiB", "50 MiB")
HOT = ROOMY + "power: {idle: 3 W, busy: 6 W}\nthermal: {limit: 80 C, ambient: 60 C, resistance: 10 C/W}\n"


def test_a_plan_names_target_binding_and_why(run: Run, fleet: RealController) -> None:
    fleet.put(lambda tx: tx.put_variant(variant(DENSE, dense=True, ram_bytes=60_000_000)))
    fleet.put(lambda tx: tx.put_variant(variant(SHA)))
    for profile, expected in (
        (HOT, ("infeasible", "thermal", "idle draw alone (3 W) settles at 90.0 C", "; or surroundings below 50.0 C")),
        (TIGHT, ("prune needed", "ram.total", "20 ms")),
        (ROOMY, (SHA[:12], "ram.total", "20 ms")),
    ):
        fleet.ask(RegisterDevice(profile))
        table = run("plan", "fall", "-l", "site=north").stdout
        assert all(words in table for words in expected), table
    assert answer(run("plan", "fall", "-o", "json"))[0]["latency_cap_ms"] == 20.0
    assert run("plan", "fall", "-l", "site").exit_code == 2


def test_a_rollout_is_started_listed_and_aborted(run: Run, fleet: RealController) -> None:
    started = answer(run("rollout", "start", "fall", "-l", "site=north", "--wave", "0.5", "--wave", "1", "-o", "json"))
    assert fleet.asked == [StartRollout("fall@1", "site=north", (0.5, 1.0))]
    assert started["id"] in run("rollout", "list").stdout
    assert "cam-1" in run("rollout", "status", started["id"]).stdout
    assert answer(run("rollout", "abort", started["id"], "-o", "json"))["state"] == "aborted"
    assert run("rollout", "abort", started["id"]).exit_code == 1


def column(table: str, heading: str) -> list[str]:
    """The words of a table under a heading."""
    head, *lines = table.splitlines()
    return [line[head.index(heading) :].split()[0] for line in lines if line]


def test_people_count_waves_from_1_and_programs_from_0(run: Run, fleet: RealController) -> None:
    fleet.ask(RegisterDevice(HOT.replace("cam-1", "cam-2")))
    id_ = answer(run("rollout", "start", "fall", "--wave", "0.5", "--wave", "1", "-o", "json"))["id"]
    told = answer(run("rollout", "status", id_, "-o", "json"))
    assert (told["wave"], [each["wave"] for each in told["devices"]]) == (0, [0, None])
    assert column(run("rollout", "list").stdout, "WAVE") == ["1"]
    summary, members = run("rollout", "status", id_, columns=900).stdout.split("\n\n")
    assert "wave: 1\n" in summary
    assert column(members, "WAVE") == ["1", "-"]


def test_a_rollout_that_may_not_be_is_refused_with_the_way_out(run: Run, fleet: RealController) -> None:
    refused = run("rollout", "start", "fall", "--wave", "0.5")
    assert (refused.exit_code, "growing shares" in refused.stderr) == (2, True)
    fleet.put(lambda tx: tx.put_variant(variant(DENSE, dense=True, accuracy=None)))
    refused = run("rollout", "start", "fall")
    assert (refused.exit_code, "--allow-unverified rolls it out" in refused.stderr) == (1, True)
    assert answer(run("rollout", "start", "fall", "--allow-unverified", "-o", "json"))["state"] == "running"


@pytest.mark.parametrize(
    ("state", "exit_code"), [(RolloutState.FINISHED, 0), (RolloutState.FAILED, 3), (RolloutState.ABORTED, 3)]
)
def test_waiting_for_a_rollout_exits_by_how_it_ends(
    run: Run, fleet: RealController, state: RolloutState, exit_code: int
) -> None:
    def end() -> None:
        fleet.wait_until(lambda: fleet.asked)
        ended = replace(fleet.rollout("r1"), state=state)
        fleet.put(lambda tx: tx.put_rollout(ended))

    ending = threading.Thread(target=end)
    ending.start()
    result = run("rollout", "start", "fall", "--wait", "-o", "json")
    ending.join()
    assert result.exit_code == exit_code
    assert json.loads(result.stdout)["state"] == state


def test_waiting_too_long_exits_4(run: Run, fleet: RealController) -> None:
    result = run("rollout", "start", "fall", "--wait", "--timeout", "0.1")
    assert result.exit_code == 4
    assert "still running" in result.stderr
    assert AbortRollout("r1") not in fleet.asked


def test_the_telemetry_table_stays_readable_whatever_an_earlier_release_kept(run: Run, fleet: RealController) -> None:
    absurd = Window(
        seq=1, duration_s=5.0, count=2**63 - 1, latency_p50_ms=1e300, latency_p95_ms=1e305, rss_bytes=2**63 - 1,
        temperature_celsius=1e300, power_watts=1e300, power_source="x" * 500, battery_percent=1e300,
    )  # fmt: skip
    empty = Window(seq=2, duration_s=None, count=None, errors=None)
    fleet.put(lambda tx: tx.add_windows("cam-1", "b", 1.0, [absurd, empty]))
    shown = run("telemetry", "cam-1").stdout
    assert max(map(len, shown.splitlines())) < 220
    assert "1e+300 C" in shown


def test_telemetry_and_incidents(run: Run, fleet: RealController) -> None:
    warm = [Window(seq=seq, duration_s=5, temperature_celsius=41.5) for seq in (1, 2)]
    incident = Incident(id="i-1", device="cam-1", kind=BreachKind.TEMPERATURE, diagnosis="hot")
    fleet.put(lambda tx: tx.add_windows("cam-1", "b1", 1.0, warm))
    fleet.put(lambda tx: tx.put_incident(incident))
    assert len(run("telemetry", "cam-1").stdout.splitlines()) == 3
    (window,) = answer(run("telemetry", "cam-1", "-n", "1", "-o", "json"))
    assert (window["seq"], window["temperature_celsius"]) == (2, 41.5)
    assert "temperature" in run("incident", "list", "--open").stdout
    assert answer(run("incident", "list", "--device", "cam-2", "-o", "json")) == []
    assert "diagnosis: hot" in run("incident", "show", "i-1").stdout


def test_a_terminal_obeys_no_device(run: Run, fleet: RealController) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J[red]x[/red]\n\u202eevil"
    incident = Incident(id="i-1", device="cam-1", kind=BreachKind.MEMORY, diagnosis=hostile)
    fleet.put(lambda tx: tx.put_incident(incident))
    for arguments in (("incident", "list"), ("incident", "show", "i-1"), ("incident", "list", "-o", "json")):
        printed = run(*arguments).stdout
        assert not any(each in printed for each in "\x1b\x07\u202e")
        assert "[red]x[/red]" in printed
