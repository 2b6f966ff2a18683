"""The API: what it shows of each noun, what it hands to the loop, how it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.wire.messages import Phase, Reported, Result, Status, Trial, Window
from agent.wire.profile import parse_profile
from controller.core.intents import AcceptDevice, RegisterDevice, StartRollout
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.rollup import Rollup
from controller.core.nouns.window import StoredWindow
from controller.core.presence import Presence
from controller.store import StoreError
from tests.real import DENSE, SHA, RealController
from tests.stories.world import START_UNIX_S, write_spec
from tests.web.conftest import variant
from tests.web.conftest import window as of_camera

API = "/api/v1"


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(f"{API}{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_device_with_its_caps_figures_and_marks(client: httpx.Client) -> None:
    device = get(client, "/devices/cam-1")
    expected = {
        "id": "cam-1", "class": "camera", "labels": {"site": "north"}, "state": "accepted", "presence": "online",
        "model": "fall@1", "variant": SHA[:12], "phase": "active", "result": "succeeded", "binding": "none",
        "feasible": True, "latency_cap_ms": 40.0, "latency_cap_binding": "deadline",
        "ram_cap_bytes": 96 * 2**20 - 40_000_000,
        "storage_cap_bytes": None, "latency_p95_ms": 8.0, "ram_peak_bytes": 52_000_000, "within_budget": True,
        "temperature_limit_celsius": 70.0, "ram_limit_bytes": 96 * 2**20, "incident": "i-1",
    }  # fmt: skip
    assert {key: device[key] for key in expected} == expected
    assert device["calibration"]["slowness_source"] == "measured"
    assert device["calibration"]["ambient_source"] == "declared"
    assert device["calibration"]["ram_extra_source"] == "modelled"


def test_a_device_tells_how_often_it_said_what_cannot_be_and_the_last_reason(
    client: httpx.Client, controller: RealController
) -> None:
    assert (get(client, "/devices/cam-1")["implausible"], get(client, "/devices/cam-1")["implausible_last"]) == (0, "")
    absurd = replace(
        controller.device("cam-1"), implausible=3, implausible_last="power_watts: 1e+14 W is outside 0 to 5000 W"
    )
    window = Window(seq=9, duration_s=None, count=None, errors=None, sha256=SHA)
    controller.put(lambda tx: tx.put_device(absurd))
    controller.put(lambda tx: tx.add_windows("cam-1", "b1", 200.0, [window]))
    told = get(client, "/devices/cam-1")
    assert (told["implausible"], told["implausible_last"][:18]) == (3, "power_watts: 1e+14")
    assert (told["count"], told["within_budget"]) == (None, None)


def test_a_trial_tells_how_the_device_was_meanwhile(client: httpx.Client, controller: RealController) -> None:
    assert get(client, "/devices/cam-1")["trial"] is None
    trial = Trial(sha256=SHA, passed=True, latency_p95_ms=9.0, frequency_hz=1e9, throttled_share=0.25)
    said = Reported(
        device="cam-1", boot="b1", seq=4, sha256=SHA, phase=Phase.ACTIVE, result=Result.SUCCEEDED, trial=trial
    )
    tried = replace(controller.device("cam-1"), reported=said)
    controller.put(lambda tx: tx.put_device(tried))
    shown = get(client, "/devices/cam-1")["trial"]
    assert (shown["frequency_hz"], shown["throttled_share"], shown["host_busy_share"]) == (1e9, 0.25, None)


def test_what_is_not_known_is_null_and_never_zero(client: httpx.Client) -> None:
    newcomer = get(client, "/devices/newcomer")
    for key in (
        "feasible",
        "binding",
        "variant",
        "latency_p95_ms",
        "battery_percent",
        "within_budget",
        "ram_cap_bytes",
    ):
        assert newcomer[key] is None, key


def test_the_list_and_the_single_view_agree(client: httpx.Client) -> None:
    devices = get(client, "/devices")["items"]
    assert [device["id"] for device in devices] == ["cam-1", "newcomer", "sensor-9"]
    for device in devices:
        assert device == get(client, f"/devices/{device['id']}")


def test_a_window_over_the_deadline_is_outside_the_budget(client: httpx.Client, controller: RealController) -> None:
    slow = Window(seq=9, duration_s=5.0, sha256=SHA, count=25, latency_p95_ms=41.0)
    other = Window(seq=10, duration_s=5.0, sha256="ef" * 32, count=25, latency_p95_ms=1.0)
    for window, expected in ((slow, False), (other, None)):
        controller.put(lambda tx, window=window: tx.add_windows("cam-1", "b1", 200.0, [window]))
        assert get(client, "/devices/cam-1")["within_budget"] is expected


def test_an_infinite_figure_is_null_in_json(client: httpx.Client, controller: RealController) -> None:
    window = Window(seq=9, duration_s=5.0, power_watts=float("inf"))
    controller.put(lambda tx: tx.add_windows("cam-1", "b1", 200.0, [window]))
    assert get(client, "/devices/cam-1/telemetry", limit=1)[0]["power_watts"] is None


def test_telemetry_is_the_newest_windows_oldest_first(client: httpx.Client) -> None:
    assert [window["seq"] for window in get(client, "/devices/cam-1/telemetry", limit=2)] == [4, 5]
    assert client.get(f"{API}/devices/cam-1/telemetry?limit=0").status_code == 422
    assert client.get(f"{API}/devices/nobody/telemetry").status_code == 404


def test_registering_hands_over_the_text_and_shows_the_device(client: httpx.Client, controller: RealController) -> None:
    body = {"profile_text": "device: cam-2\n", "source": "cam-2.yaml"}
    answer = client.post(f"{API}/devices", json=body)
    assert answer.status_code == 201
    assert answer.json()["id"] == "cam-2"
    assert controller.asked == [RegisterDevice("device: cam-2\n", "cam-2.yaml")]


def test_a_bad_profile_is_refused_with_file_line_and_key(client: httpx.Client) -> None:
    body = {"profile_text": "device: cam-2\nmemroy: {total: 1 MiB}\n", "source": "cam-2.yaml"}
    answer = client.post(f"{API}/devices", json=body)
    assert answer.status_code == 400
    assert "cam-2.yaml:2: memroy" in answer.json()["error"]


def test_recalibration_forgets_what_was_learned(client: httpx.Client) -> None:
    device = client.post(f"{API}/devices/cam-1/recalibrate").json()
    forgotten = device["calibration"]
    assert (forgotten["slowness_source"], forgotten["ram_base_bytes"]) == ("declared", None)
    assert (device["feasible"], device["latency_cap_ms"]) == (True, 40.0), "what runs is placed by what is declared"
    assert client.post(f"{API}/devices/nobody/recalibrate").status_code == 404


def test_accept_and_revoke(client: httpx.Client, controller: RealController) -> None:
    assert client.post(f"{API}/devices/newcomer/accept").json()["state"] == "accepted"
    assert client.post(f"{API}/devices/newcomer/revoke").json()["state"] == "revoked"
    assert controller.asked[0] == AcceptDevice("newcomer")
    assert client.post(f"{API}/devices/nobody/accept").status_code == 404


def test_models_by_ref_and_by_bare_name_with_their_variants(client: httpx.Client, tmp_path: Path) -> None:
    assert get(client, "/models/fall") == get(client, "/models/fall@1") == get(client, "/models")[0]
    assert {variant["dense"] for variant in get(client, "/models/fall/variants")["items"]} == {True, False}
    assert client.get(f"{API}/models/nothing").json() == {"error": "there is no model 'nothing'"}
    added = client.post(f"{API}/models", json={"spec_path": str(write_spec(tmp_path, "gait"))})
    assert (added.status_code, added.json()["ref"], added.json()["state"]) == (201, "gait@1", "running")


def test_the_same_spec_again_changes_the_policy_and_other_weights_are_refused(
    client: httpx.Client, controller: RealController, tmp_path: Path
) -> None:
    controller.add("gait", dense=variant(DENSE, dense=True))
    spec = write_spec(tmp_path, "gait")
    spec.write_text(spec.read_text().replace("85 %", "80 %"))
    again = client.post(f"{API}/models", json={"spec_path": str(spec)})
    assert (again.status_code, again.json()["state"], again.json()["accuracy_floor"]) == (201, "done", 0.8)
    (tmp_path / "weights.safetensors").write_bytes(b"other weights")
    refused = client.post(f"{API}/models", json={"spec_path": str(spec)})
    assert (refused.status_code, "give it a new version" in refused.json()["error"]) == (409, True)


def test_a_spec_that_cannot_be_read_is_refused_with_its_name(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.post(f"{API}/models", json={"spec_path": str(tmp_path / "none.yaml")})
    assert (answer.status_code, "none.yaml: cannot be read" in answer.json()["error"]) == (400, True)


def test_a_plan_says_what_would_run_and_why_not(client: httpx.Client) -> None:
    camera, newcomer, sensor = get(client, "/plan", model="fall")
    assert (camera["device"], camera["variant"], camera["prune_needed"]) == ("cam-1", SHA[:12], False)
    assert camera["predicted_latency_p95_ms"] > 8.0
    assert (sensor["feasible"], sensor["prune_needed"], sensor["variant"]) == (False, False, None)
    assert newcomer["feasible"], "also of a device that is not accepted yet"
    assert sensor["relaxations"][0] == "a lifetime below 8.95 h instead of 1.25 d"
    assert [row["device"] for row in get(client, "/plan", model="fall@1", selector="site=north")] == ["cam-1"]
    answer = client.get(f"{API}/plan", params={"model": "fall", "selector": "north"})
    assert (answer.status_code, "KEY=VALUE" in answer.json()["error"]) == (400, True)


BATTERY = """
device: patch-1
labels: {site: ward}
deadline: 100 ms
rate: 10 Hz
power: {idle: 0.1 W, busy: 1.1 W}
battery: {capacity: 1 Wh, lifetime: 2 h}
"""


def test_a_plan_tells_what_each_preference_costs_and_how_long_the_battery_lasts(
    client: httpx.Client, controller: RealController
) -> None:
    """The dense model is shown to be more right than the other; within the margin the other costs less."""
    patch = parse_profile(BATTERY)
    device = Device(id="patch-1", state=DeviceState.ACCEPTED, profile=patch, profile_text=BATTERY, labels=patch.labels)
    model = controller.model("fall@1")
    cheap = replace(variant(SHA, dense=False), latency_p50_s=0.001, drop=0.02, drop_low=0.01, drop_high=0.03)
    exact = replace(variant(DENSE, dense=True), accuracy=0.93, accuracy_low=0.92, accuracy_high=0.94)
    placement = replace(controller.placement("cam-1"), device="patch-1", sha256=DENSE)
    controller.put(lambda tx: tx.put_model(replace(model, accuracy_margin=0.1)))
    controller.put(lambda tx: tx.put_variant(cheap))
    controller.put(lambda tx: tx.put_variant(exact))
    controller.put(lambda tx: tx.put_device(device))
    controller.put(lambda tx: tx.put_placement(placement))
    (row,) = get(client, "/plan", model="fall", selector="site=ward")
    assert (row["prefer"], row["sha256"]) == ("accuracy", DENSE)
    right, frugal = row["choices"]
    assert [(each["prefer"], each["sha256"]) for each in (right, frugal)] == [
        ("accuracy", DENSE), ("frugal", SHA)
    ]  # fmt: skip
    assert (right["points_below"], frugal["points_below"]) == (0.0, 0.03)
    assert frugal["energy_above_idle_joules"] == pytest.approx(0.001)
    assert frugal["battery_life_s"] == pytest.approx(3600 * 0.9 / (0.1 + 10 * 0.001))
    assert row["battery_life_s"] == row["battery_life_dense_s"] == pytest.approx(3600 * 0.9 / (0.1 + 10 * 0.003))
    shown = get(client, "/devices/patch-1")
    assert (shown["battery_life_s"], shown["battery_life_source"]) == (row["battery_life_s"], "declared")
    assert get(client, "/devices/cam-1")["battery_life_s"] is None


def test_what_was_not_heard_of_an_hour_is_the_same_where_a_limit_leaves_out_variants(
    client: httpx.Client, controller: RealController
) -> None:
    ran = [(0, SHA, 600.0), (0, DENSE, 900.0), (3600, SHA, 3600.0)]
    hours = [Rollup(device="cam-1", hour_unix_s=hour, sha256=sha256, heard_s=heard_s) for hour, sha256, heard_s in ran]
    controller.put(lambda tx: tx.put_rollups("cam-1", 5, hours))
    for limit in (3, 2, 1):
        shown = [each["not_heard_s"] for each in get(client, "/devices/cam-1/hours", limit=limit)]
        assert shown == [2100.0, 2100.0, None][-limit:]
    assert get(client, "/devices/sensor-9/hours") == []


def test_a_models_policy_can_be_changed_and_nonsense_is_refused(client: httpx.Client) -> None:
    changed = client.patch(f"{API}/models/fall", json={"prefer": "frugal", "accuracy_margin": 0.01, "ladder": 3})
    assert changed.status_code == 200, changed.text
    told = {key: changed.json()[key] for key in ("prefer", "accuracy_margin", "ladder", "accuracy_floor")}
    assert told == {"prefer": "frugal", "accuracy_margin": 0.01, "ladder": 3, "accuracy_floor": 0.85}
    assert any(job["kind"] == "ladder" for job in get(client, "/jobs")["items"])
    assert client.patch(f"{API}/models/fall", json={"refine_s": 600}).json()["refine_s"] == 600.0
    for wrong in ({"prefer": "fast"}, {"ladder": 99}, {"accuracy_floor": 2}, {"recover_epochs": 1, "recover_cpu_s": 1},
                  {"refine_s": -1}):  # fmt: skip
        refused = client.patch(f"{API}/models/fall", json=wrong)
        assert (refused.status_code, "allowed" in refused.json()["error"] or "one of" in refused.text) == (400, True)
    assert (get(client, "/models/fall")["prefer"], get(client, "/models/fall")["refine_s"]) == ("frugal", 600.0)


def test_a_rollout_from_start_to_abort(client: httpx.Client, controller: RealController) -> None:
    started = client.post(f"{API}/rollouts", json={"model": "fall", "selector": " site=north ", "waves": [0.5, 1]})
    assert started.status_code == 201
    assert controller.asked == [StartRollout("fall@1", "site=north", (0.5, 1.0))]
    rollout = started.json()
    assert (rollout["state"], rollout["waves"]) == ("running", [0.5, 1.0])
    (member,) = get(client, f"/rollouts/{rollout['id']}/devices")["items"]
    assert (member["device"], member["standing"], member["wave"]) == ("cam-1", "soaking", 0), (
        "an incident is open there"
    )
    assert (member["since_unix_s"], member["reason"]) == (START_UNIX_S, "")
    path = f"{API}/rollouts/{rollout['id']}/abort"
    assert client.post(path).json()["state"] == "aborted"
    assert client.post(path).status_code == 409
    assert {each["id"] for each in get(client, "/rollouts")["items"]} == {"r1", rollout["id"]}
    assert get(client, "/rollouts/r1")["devices_by_standing"] == {"succeeded": 1, "infeasible": 1}


@pytest.mark.parametrize("waves", [[0.5], [1, 0.5], [0, 1], [0.5, 2]])
def test_waves_that_do_not_grow_to_all_devices_are_refused(client: httpx.Client, waves: list[float]) -> None:
    answer = client.post(f"{API}/rollouts", json={"model": "fall", "waves": waves})
    assert (answer.status_code, "growing shares" in answer.json()["error"]) == (400, True)
    assert get(client, "/rollouts")["total"] == 1


@pytest.mark.parametrize(
    ("accuracy", "words"), [(None, "unverified accuracy"), (0.8, "may not ship: the dense model itself has 80 %")]
)
def test_a_model_that_nobody_vouches_for_is_rolled_out_only_where_it_may(
    client: httpx.Client, controller: RealController, accuracy: float | None, words: str
) -> None:
    dense = replace(variant(DENSE, dense=True), accuracy=accuracy)
    controller.put(lambda tx: tx.put_variant(dense))
    body = {"model": "fall", "selector": "site=south"}
    answer = client.post(f"{API}/rollouts", json=body)
    assert (answer.status_code, words in answer.json()["error"]) == (409, True)
    allowed = client.post(f"{API}/rollouts", json={**body, "allow_unverified": True})
    assert allowed.status_code == (201 if accuracy is None else 409)


def test_a_model_that_is_still_measured_waits(client: httpx.Client, controller: RealController) -> None:
    controller.add("gait")
    for path, body in (("/rollouts", {"model": "gait"}), ("/models/gait/prune", {"latency_cap_ms": 5})):
        answer = client.post(f"{API}{path}", json=body)
        assert (answer.status_code, "not measured yet" in answer.json()["error"]) == (409, True)


def test_incidents_jobs_and_health(client: httpx.Client) -> None:
    assert get(client, "/incidents")["items"] == [get(client, "/incidents/i-1")]
    assert get(client, "/incidents", device="sensor-9")["items"] == []
    assert get(client, "/jobs")["items"][0]["latency_cap_ms"] == 4.0
    health = get(client, "/health")
    assert (health["status"], health["devices"], health["devices_pending"], health["incidents_open"]) == ("ok", 3, 1, 1)


def test_health_says_what_is_wrong_with_the_controller_itself(client: httpx.Client, controller: RealController) -> None:
    assert get(client, "/health")["reasons"] == []
    controller.broker.stop()
    controller.tick()
    health = get(client, "/health")
    assert health["status"] == "degraded"
    assert "broker is not reached" in health["reasons"][0]


def counts(client: httpx.Client) -> dict[str, int]:
    health = get(client, "/health")
    return {each: health[f"devices_{each}"] for each in Presence}


def test_who_is_there_is_shown_and_counted_and_nobody_else_is_within_his_budget(
    client: httpx.Client, controller: RealController
) -> None:
    def shown() -> tuple[str, bool | None]:
        device = get(client, "/devices/cam-1")
        assert get(client, "/rollouts/r1/devices")["items"][0]["presence"] == device["presence"]
        return device["presence"], device["within_budget"]

    assert shown() == ("online", True)
    assert counts(client) == {"online": 1, "quiet": 0, "unknown": 2, "offline": 0}
    controller.now_s += 2000
    assert shown() == ("quiet", None)
    controller.tick()
    assert counts(client) == {"online": 0, "quiet": 1, "unknown": 2, "offline": 0}
    controller.hear(Status(device="sensor-9", online=True, boot="b"), retained=True)
    controller.hear(Status(device="cam-1", online=False, boot="b1"))
    assert shown() == ("offline", None)
    assert counts(client) == {"online": 0, "quiet": 0, "unknown": 2, "offline": 1}
    controller.broker.stop()
    controller.tick()
    assert counts(client) == {"online": 0, "quiet": 0, "unknown": 3, "offline": 0}


def test_a_window_that_is_history_says_nothing_of_the_budget_now(
    client: httpx.Client, controller: RealController
) -> None:
    late = StoredWindow("cam-1", "b1", 200.0, of_camera(9), closed_unix_s=50.0, history=True)
    controller.put(lambda tx: tx.put_windows([late]))
    (shown,) = get(client, "/devices/cam-1/telemetry", limit=1)
    assert (shown["closed_unix_s"], shown["history"], "closed_s" in shown) == (50.0, True, False)
    device = get(client, "/devices/cam-1")
    assert (device["window_closed_unix_s"], device["within_budget"]) == (50.0, None)


@pytest.mark.parametrize("path", ["/devices/nobody", "/rollouts/nothing", "/incidents/nothing", "/nothing"])
def test_what_is_not_there_is_a_404_with_an_error(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{API}{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_a_body_of_the_wrong_shape_names_the_field(client: httpx.Client) -> None:
    answer = client.post(f"{API}/rollouts", json={"selector": ""})
    assert (answer.status_code, "model" in answer.json()["error"]) == (422, True)


def test_a_store_that_fails_is_503(
    client: httpx.Client, controller: RealController, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise StoreError("the store is not open")

    monkeypatch.setattr(controller.port, "read", failing)
    assert client.get(f"{API}/devices").json() == {"error": "the store is not open"}


def test_the_openapi_document_lists_the_routes(client: httpx.Client) -> None:
    paths = client.get(f"{API}/openapi.json").json()["paths"]
    assert f"{API}/rollouts/{{rollout}}/abort" in paths
