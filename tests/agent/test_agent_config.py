from __future__ import annotations

import base64
from pathlib import Path

import pytest
from fleet import KEY

from agent.choice import Named
from agent.config import KEYS, Config, load_config
from agent.wire.errors import WireError

BASE = "profile: profile.yaml\nbroker: 127.0.0.1:1883\nstate: state\ntrusted_key: key\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "profile.yaml").write_text("device: a\nrate: 5 Hz\n")
    (tmp_path / "key").write_text(base64.b64encode(KEY.public_key().public_bytes_raw()).decode() + "\n")
    (tmp_path / "x.npy").write_bytes(b"")
    return tmp_path


def load(home: Path, text: str, **flags: str) -> Config:
    (home / "agent.yaml").write_text(text)
    return load_config(home / "agent.yaml", flags)


def test_defaults_and_paths_relative_to_the_file(home: Path) -> None:
    config = load(home, BASE)
    assert (config.host, config.port) == ("127.0.0.1", 1883)
    assert config.state == home / "state"
    assert config.profile.device == "a"
    assert config.profile_text == "device: a\nrate: 5 Hz\n"
    assert (config.sysfs, config.window_s, config.gflops, config.replay) == (Path("/sys"), 30.0, None, "random")
    assert (config.http, config.socket) == (None, None)
    assert config.trusted_key == KEY.public_key().public_bytes_raw()


def test_every_key_and_flags_above_the_file(home: Path) -> None:
    text = BASE + "sysfs: sys\nwindow: 2 s\nreplay: x.npy\nemulate: {gflops: 20}\nspool_limit: 50\n"
    config = load(home, text)
    assert (config.sysfs, config.window_s, config.gflops) == (home / "sys", 2.0, 20.0)
    assert (config.replay, config.spool_limit) == (home / "x.npy", 50)
    over = load(home, text, window="500 ms", gflops="3", broker="[::1]:1884")
    assert (over.window_s, over.gflops, over.host, over.port) == (0.5, 3.0, "::1", 1884)
    served = load(home, BASE + "http: 127.0.0.1:8520\nsocket: a.sock\nreplay: none\n")
    assert (served.http, served.socket, served.replay) == (("127.0.0.1", 8520), home / "a.sock", "none")


def test_sensors_are_named_in_the_file(home: Path) -> None:
    assert load(home, BASE).sensors == Named()
    named = load(home, BASE + "sensors: {temperature: cpu-thermal, battery: class/power_supply/BAT1}\n").sensors
    assert named == Named(temperature="cpu-thermal", battery="class/power_supply/BAT1")
    for text, reason in (
        ("sensors: {heat: x}", "sensors.heat: unknown key; allowed here: temperature, power, battery"),
        ("sensors: {power: 3}", "sensors.power: 3: a sensor's type or path is expected"),
        ("sensors: cpu", "sensors: a mapping"),
    ):
        with pytest.raises(WireError, match=reason):
            load(home, BASE + text + "\n")


def test_flags_alone_are_enough(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    flags = {"profile": "profile.yaml", "broker": "h:1", "state": "s", "trusted_key": "key"}
    config = load_config(None, dict.fromkeys(KEYS) | flags)
    assert config.state == home / "s"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("state: s", r"agent.yaml: 'profile' is missing; give it here or as --profile"),
        (BASE + "colour: red", r"agent.yaml:5: colour: unknown key; allowed here: profile, broker"),
        (BASE + "emulate: {speed: 2}", r"agent.yaml:5: emulate.speed: unknown key; allowed here: gflops"),
        (BASE + "emulate: {gflops: 0}", r"agent.yaml:5: emulate.gflops: 0: must be above 0"),
        (BASE + "emulate: {gflops: .nan}", r"emulate.gflops: nan: a number of GFLOP/s"),
        (BASE + "window: 2", r"agent.yaml:5: window: 2 is not a number of seconds: write a number and one of us, ms"),
        (BASE + "window: 0 s", r"agent.yaml:5: window: '0 s': must be above 0"),
        (BASE + "spool_limit: 1.5", r"spool_limit: 1.5: a whole number above 0"),
        (BASE + "replay: none.npy", r"agent.yaml:5: replay: .*none.npy: there is no such file"),
        (BASE + "http: 0.0.0.0:80", r"agent.yaml:5: http: '0.0.0.0:80': a loopback address is needed"),
        (BASE + "http: host:80", r"http: 'host:80': a loopback address is needed"),
        (BASE.replace(":1883", ""), r"agent.yaml:2: broker: '127.0.0.1': write host:port"),
        (
            BASE.replace("trusted_key: key", "trusted_key: profile.yaml"),
            r"agent.yaml:4: .*not a raw Ed25519",
        ),
        (BASE.replace("trusted_key: key", "trusted_key: no"), r"agent.yaml:4: trusted_key: .*No such file"),
        (BASE.replace("profile: profile.yaml", "profile: key"), r"key:1: a mapping of keys is expected"),
    ],
)
def test_an_error_names_its_place_and_what_is_allowed(home: Path, text: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        load(home, text)


def test_a_wrong_flag_is_named(home: Path) -> None:
    with pytest.raises(WireError, match=r"--spool-limit: '0': a whole number above 0"):
        load(home, BASE, spool_limit="0")
