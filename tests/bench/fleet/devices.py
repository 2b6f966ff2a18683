"""What the devices of the benchmark are, and what they say: the messages of `agent.wire`, written beforehand."""

from __future__ import annotations

import base64
import random

import msgspec

from agent.wire.messages import WIRE, Info, Phase, Reported, Result, Status, Telemetry, Window, encode

BOOT = "boot-1"
_PROFILES = 500  # so many differ in more than their name
_DRAWN = 64
_SEED = 20261128
_SEQ = 123456789  # is replaced


class Told(msgspec.Struct):
    """What a device must know of an assignment to answer it."""

    epoch: int
    seq: int
    sha256: str


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str


def ids(count: int) -> list[str]:
    return [f"dev-{number:06d}" for number in range(count)]


def deadline_ms(device: str) -> int:
    return 100 + int(device.rpartition("-")[2]) % _PROFILES


def profile(device: str) -> str:
    """Any model of this benchmark fits it."""
    site = int(device.rpartition("-")[2]) % 20
    return (
        f"device: {device}\nclass: bench\nrate: 1 Hz\ndeadline: {deadline_ms(device)} ms\nlabels: {{site: s{site}}}\n"
    )


def info(device: str) -> bytes:
    return encode(
        Info(
            device=device,
            agent_version="0",
            architecture="aarch64",
            runtimes=["onnxruntime"],
            profile=profile(device),
            wire=WIRE,
        )
    )


def status(device: str) -> bytes:
    return encode(Status(device=device, online=True, boot=BOOT))


def told(envelope: bytes) -> Told:
    """Without looking at the signature."""
    payload = msgspec.json.decode(envelope, type=_Envelope).payload
    return msgspec.json.decode(base64.b64decode(payload), type=Told)


def answer(device: str, what: Told) -> bytes:
    """It runs what it was told to."""
    return encode(
        Reported(
            device=device,
            boot=BOOT,
            seq=what.seq,
            epoch=what.epoch,
            sha256=what.sha256,
            phase=Phase.ACTIVE,
            result=Result.SUCCEEDED,
        )
    )


class Windows:
    """Telemetry as a device in service sends it, each figure drawn; only `seq` and the device are put in later."""

    def __init__(self, sha256: str | None) -> None:
        dice = random.Random(_SEED)
        self._drawn = [_template(window(dice, sha256)) for _ in range(_DRAWN)]
        whole = encode(Telemetry(device="DEVICE", boot=BOOT, windows=[])).replace(b"%", b"%%")
        self._whole = whole.replace(b"DEVICE", b"%b").replace(b"[]", b"[%b]")

    def message(self, device: str, first_seq: int, count: int) -> bytes:
        drawn = self._drawn
        windows = b",".join([drawn[seq % _DRAWN] % seq for seq in range(first_seq, first_seq + count)])
        return self._whole % (device.encode(), windows)


def window(dice: random.Random, sha256: str | None, latency_ms: float = 20.0, seq: int = _SEQ) -> Window:
    drawn_ms = latency_ms * dice.uniform(0.9, 1.1)
    return Window(
        seq=seq,
        duration_s=30.0,
        wall_unix_s=1.8e9 + dice.randrange(1_000_000),
        sha256=sha256,
        count=30,
        errors=0,
        latency_p50_ms=0.8 * drawn_ms,
        latency_p95_ms=drawn_ms,
        latency_p99_ms=1.1 * drawn_ms,
        latency_mean_ms=0.85 * drawn_ms,
        busy_share=dice.uniform(0.01, 0.2),
        cpu_share=dice.uniform(0.01, 0.2),
        rss_bytes=dice.randrange(50_000_000, 60_000_000),
        ram_peak_bytes=dice.randrange(60_000_000, 70_000_000),
        temperature_celsius=dice.uniform(40, 50),
        temperature_max_celsius=dice.uniform(50, 51),
        temperature_mean_celsius=dice.uniform(45, 46),
        power_watts=dice.uniform(2, 3),
        power_source="measured",
        energy_per_inference_joules=dice.uniform(2, 3),
        frequency_hz=1.5e9,
        throttled_share=0.0,
        undervoltage=False,
    )


def breaching(device: str, sha256: str, first_seq: int, count: int) -> bytes:
    """Windows of a device that is twice as slow as it may be."""
    dice = random.Random(_SEED)
    late = [window(dice, sha256, 2.0 * deadline_ms(device), seq) for seq in range(first_seq, first_seq + count)]
    return encode(Telemetry(device=device, boot=BOOT, windows=late))


def _template(drawn: Window) -> bytes:
    return encode(drawn).replace(b"%", b"%%").replace(b"%d" % _SEQ, b"%d")
