"""A database of an earlier release keeps all that is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, text

from agent.wire.errors import WireError
from controller.core.nouns.caps import Caps
from controller.core.nouns.device import DeviceState
from controller.core.nouns.job import JobState
from controller.core.nouns.work import Dense, Prune
from controller.core.selector import parse_selector
from controller.loop.record import declared
from controller.store import Store, schema
from controller.store.engine import make_engine
from tests.databases import Databases

MODEL = "INSERT INTO models VALUES ('fall@1', 'fall', '1', '/m.yaml', 'd', 0.85, 7, 1.0)"
MODEL_0011 = """
INSERT INTO models (ref, name, version, spec_path, digest, prefer, ladder, refine_s, added_unix_s)
VALUES ('fall@1', 'fall', '1', '/m.yaml', 'd', 'accuracy', 0, 0.0, 1.0)
"""
JOB = """
INSERT INTO jobs (id, model, caps, state, sha256, binding, detail, attempts, created_unix_s)
VALUES ('{id}', 'fall@1', '{caps}', '{state}', NULL, NULL, 'as it was', 2, {created})
"""
VARIANT = """
INSERT INTO variants (sha256, model, size_bytes, precision, ram_bytes, latency_p50_s, latency_p95_s, parameters,
    accuracy, dense, requested, golden_seed, golden_outputs, golden_tolerance, lineage, created_unix_s)
VALUES ('abc', 'fall@1', 9, 'fp32', 8, 0.1, 0.2, 7, 0.9, true, '', 0, '[[1.0]]', 0.001, '{"gate_samples": 500}', 1.0)
"""
WINDOW = """
INSERT INTO windows (device, boot, received_unix_s, seq, duration_s, sha256, count, errors, latency_source, power_watts)
VALUES ('cam-1', 'b1', 1.0, 3, 30.0, 'abc', 25, 1, 'measured', 1.5)
"""
DEVICE = """
INSERT INTO devices (id, state, profile_text, device_class, labels, registered_unix_s, calibration, online,
    runtimes)
VALUES ('7', 'accepted', 'device: 007
labels: {{country: NO, id: x, site: }}
rate: 1e12 Hz
', 'device', '{labels}', 1.0, '{{}}', false, '[]')
"""
LABELS = {"country": "False", "id": "x", "site": "None"}
NONE = '{"ram_bytes": null, "storage_bytes": null, "latency_s": null}'
ANNOUNCED = """
INSERT INTO devices (id, state, profile_text, device_class, labels, registered_unix_s, calibration, online,
    runtimes, agent_version)
VALUES ('cam-1', 'accepted', 'device: cam-1', 'device', '{}', 1.0, '{}', false, '[]', '0.1.0')
"""
DESIRED = """
INSERT INTO desired (device, epoch, seq, model, sha256, envelope, issued_unix_s, reason, attempts)
VALUES ('cam-1', 1, 3, 'fall@1', 'abc', :envelope, 1.0, '', 1)
"""
RAM = '{"ram_bytes": 0, "storage_bytes": null, "latency_s": null}'


@pytest.fixture
def of_0001(databases: Databases, tmp_path: Path) -> Engine:
    engine = make_engine(databases.url(tmp_path, empty=True))
    with engine.begin() as connection:
        command.upgrade(schema._config(connection), "0001")
        connection.exec_driver_sql(MODEL)
        connection.exec_driver_sql(JOB.format(id="j0", caps=NONE, state="done", created=0))
        connection.exec_driver_sql(JOB.format(id="j1", caps=RAM, state="failed", created=1))
        connection.exec_driver_sql(VARIANT)
        connection.exec_driver_sql(WINDOW)
        connection.exec_driver_sql(DEVICE.format(labels=json.dumps(LABELS)))
        connection.exec_driver_sql(ANNOUNCED)
        connection.execute(text(DESIRED), {"envelope": b"signed"})
    return engine


def test_a_device_that_would_be_refused_today_is_still_there_and_selected_as_before(of_0001: Engine) -> None:
    store = Store(of_0001.url.render_as_string(hide_password=False))
    store.open()
    with store.read() as tx:
        device, _ = tx.devices()
    assert (device.id, device.profile.rate_hz, device.labels) == ("7", 1e12, LABELS)
    assert parse_selector("country=False").matches(device), "its rollouts go on"
    with store.begin() as tx:
        tx.put_device(replace(device, boot="b"))
        assert tx.get_device("7") == replace(device, boot="b")
        with pytest.raises(WireError, match=r"rate: .* cannot be"):
            declared(device.profile_text, "p", DeviceState.ACCEPTED, 2.0, device)
        again = declared("device: '7'\nlabels: {country: NO}", "p", DeviceState.ACCEPTED, 2.0, device)
        assert again.labels == {"country": "NO"}
    of_0001.dispose()
    store.close()


def test_jobs_get_their_kind_and_nothing_is_lost(of_0001: Engine) -> None:
    store = Store(of_0001.url.render_as_string(hide_password=False))
    store.open()
    with store.read() as tx:
        dense, prune = tx.jobs()
        (variant,) = tx.variants()
        (model,) = tx.models()
        (stored,) = tx.recent_windows("cam-1", 9)
    assert schema.differences(of_0001) == []
    of_0001.dispose()
    store.close()
    assert (dense.work, dense.state) == (Dense(), JobState.DONE)
    assert (prune.work, prune.state) == (Prune(Caps(ram_bytes=0)), JobState.FAILED)
    for job in (dense, prune):
        assert (job.detail, job.attempts, job.retry, job.asked) == ("as it was", 2, True, False)
    assert model.refine_s == 0.0
    assert (variant.accuracy, variant.drop, variant.gate_samples) == (0.9, None, None)
    assert variant.ram_base_bytes == 7  # as its model said, before each runtime had its own
    window = stored.window
    assert (stored.boot, window.seq, window.duration_s, window.count, window.errors) == ("b1", 3, 30.0, 25, 1)
    assert (window.power_watts, window.implausible) == (1.5, "")
    assert variant.lineage == {"gate_samples": 500}


def test_who_had_announced_himself_spoke_wire_1_and_no_assignment_had_a_manifest(of_0001: Engine) -> None:
    store = Store(of_0001.url.render_as_string(hide_password=False))
    store.open()
    with store.read() as tx:
        assert [(device.id, device.wire) for device in tx.devices()] == [("7", None), ("cam-1", 1)]
        desired = tx.latest_desired("cam-1")
    assert desired is not None
    assert (desired.seq, desired.manifest) == (3, None)
    of_0001.dispose()
    store.close()


DEVICE_0011 = """
INSERT INTO devices (id, state, profile_text, device_class, labels, registered_unix_s, calibration, online,
    runtimes)
VALUES ('{id}', '{state}', 'device: {id}', 'camera', '{{"site": "{site}"}}', 1.0, '{{}}', false, '[]')
"""
ROLLOUT_0011 = """
INSERT INTO rollouts (id, model, selector, waves, max_failures, deadline_s, state, wave, started_unix_s,
    wave_started_unix_s, reason)
VALUES ('{id}', 'fall@1', '{selector}', '[0.2, 0.5, 1.0]', 0.2, 600, '{state}', {wave}, {started}, 5.0, '')
"""
DEVICES_0011 = (
    ("a", "north", "accepted"),
    ("b", "north", "accepted"),
    ("c", "south", "accepted"),
    ("d", "north", "pending"),
    ("e", "west", "accepted"),
    ("f", "south", "revoked"),
)
ROLLOUTS_0011 = (
    ("r2", "site=south,class=camera", "finished", 2),
    ("r9", "site=north", "running", 1),
    ("r10", "id=b", "finished", 2),
    ("r11", "", "aborted", 0),
    ("r1", "site=north", "finished", 2),
)
DESIRED_0011 = """
INSERT INTO desired (device, epoch, seq, model, sha256, rollout, envelope, issued_unix_s, reason, attempts)
VALUES ('{device}', 1, {seq}, 'fall@1', 'abc', '{rollout}', :envelope, 1.0, '', 1)
"""


def test_devices_are_owned_by_whom_they_went_by_before_and_who_was_let_go_stays_so(
    databases: Databases, tmp_path: Path
) -> None:
    """Of the release before: the newest rollout, running or finished, that matched said what a device runs."""
    engine = make_engine(databases.url(tmp_path, empty=True))
    with engine.begin() as connection:
        command.upgrade(schema._config(connection), "0011")
        connection.exec_driver_sql(MODEL_0011)
        for name, site, state in DEVICES_0011:
            connection.exec_driver_sql(DEVICE_0011.format(id=name, site=site, state=state))
        for name, selector, state, wave in ROLLOUTS_0011:
            connection.exec_driver_sql(
                ROLLOUT_0011.format(id=name, selector=selector, state=state, wave=wave, started=float(name[1:]))
            )
        for name, seq, rollout in (("a", 1, "r1"), ("a", 2, "r9"), ("b", 1, "r9"), ("c", 1, "r11")):
            connection.execute(text(DESIRED_0011.format(device=name, seq=seq, rollout=rollout)), {"envelope": b"s"})
    store = Store(engine.url.render_as_string(hide_password=False))
    store.open()
    with store.read() as tx:
        owners = {each.device: (each.rollout, each.before, each.since_unix_s) for each in tx.owners()}
        members = {each.device: (each.rollout, each.standing, each.wave) for each in tx.owned_members()}
    assert owners == {"a": ("r9", None, 9.0), "b": ("r10", None, 10.0), "c": ("r2", None, 2.0)}
    assert members == {"a": ("r9", "unplaced", 1), "b": ("r10", "unplaced", None), "c": ("r2", "unplaced", None)}
    assert schema.differences(engine) == []
    engine.dispose()
    store.close()


def test_and_back_again(of_0001: Engine) -> None:
    schema.upgrade(of_0001)
    with of_0001.begin() as connection:
        command.downgrade(schema._config(connection), "0001")
        assert connection.exec_driver_sql("SELECT id, detail FROM jobs ORDER BY id").all() == [
            ("j0", "as it was"),
            ("j1", "as it was"),
        ]
        assert connection.exec_driver_sql("SELECT ram_base_bytes FROM models").scalar() == 7
        assert connection.exec_driver_sql("SELECT seq, count, duration_s FROM windows").all() == [(3, 25, 30.0)]
    of_0001.dispose()
