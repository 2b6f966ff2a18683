"""A real agent process and the least controller over a real link."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
from fleet import KEY, manifest_body, sha256
from onnx import TensorProto, helper, numpy_helper

from agent.link import Arrived, Connected, LinkEvent
from agent.mqtt import MqttLink
from agent.wire import blocks
from agent.wire.messages import Ack, Assignment, Message, Need, Reported, Result, Telemetry, decode, encode
from agent.wire.signing import sign
from agent.wire.topics import BlobTopic, DeviceTopic, Leaf, controller_filters, parse, topic

M = TypeVar("M", bound=Message)
WIDTH = 256  # of the model's input and output
PROFILE = "device: dev-1\nrate: 20 Hz\nmemory: {total: 200 MiB}\npower: {idle: 1 W, busy: 3 W}\n"


def model(seed: int) -> bytes:
    weight = np.random.default_rng(seed).standard_normal((WIDTH, WIDTH)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, WIDTH])],
        [numpy_helper.from_array(weight, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


class Controller:
    """The least controller over a real link: sends blocks and acks on its own thread of the test, `until` turns it."""

    def __init__(self, port: int, *artifacts: bytes) -> None:
        self.artifacts: dict[str, bytes] = {}
        self.add(*artifacts)
        self.heard: list[Message] = []
        self.blocks_to_send = 10**9
        self._inbox: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
        self.link = MqttLink("127.0.0.1", port, "controller")
        self.link.start(self._inbox.put)
        self.until(lambda: bool(self.heard) or self.connected, 5)

    connected = False

    def add(self, *artifacts: bytes) -> None:
        """With their manifests, which travel as they do."""
        self.artifacts.update({sha256(each): each for data in artifacts for each in (data, manifest_body(data))})

    def assign(self, wanted: Assignment) -> None:
        assert self.link.publish(topic("dev-1", Leaf.DESIRED), sign(wanted, KEY), retain=True)

    def until(self, done: Callable[[], bool], seconds: float = 20) -> None:
        until_s = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < until_s, f"it did not come about; last heard: {self.heard[-3:]}"
            with contextlib.suppress(queue.Empty):
                self._take(self._inbox.get(timeout=0.1))

    def last(self, kind: type[M]) -> M | None:
        return next((each for each in reversed(self.heard) if isinstance(each, kind)), None)

    def reported(self, seq: int, result: Result | None = Result.SUCCEEDED) -> Callable[[], bool]:
        def is_reported() -> bool:
            last = self.last(Reported)
            return last is not None and last.seq == seq and last.result is result

        return is_reported

    def _take(self, event: LinkEvent) -> None:
        if isinstance(event, Connected):
            self.connected = True
            self.link.subscribe(controller_filters())
        if not isinstance(event, Arrived):
            return
        where = parse(event.topic)
        assert isinstance(where, DeviceTopic)
        message = decode(where, event.payload)
        self.heard.append(message)
        if isinstance(message, Need):
            self._send_blocks(message)
        if isinstance(message, Telemetry):
            ack = Ack(device=message.device, boot=message.boot, seq=message.windows[-1].seq)
            self.link.publish(topic(message.device, Leaf.ACK), encode(ack))

    def _send_blocks(self, need: Need) -> None:
        cut = blocks.cut(self.artifacts[need.sha256])
        for index in blocks.unpack(need.missing, len(cut)):
            if self.blocks_to_send > 0:
                self.blocks_to_send -= 1
                self.link.publish(str(BlobTopic(need.sha256, index)), cut[index])


class Agent:
    """`agent run` as a process of its own."""

    def __init__(self, directory: Path, port: int, more: str = "") -> None:
        self.state = directory / "state"
        (directory / "profile.yaml").write_text(PROFILE)
        (directory / "key").write_text(base64.b64encode(KEY.public_key().public_bytes_raw()).decode() + "\n")
        (directory / "sys").mkdir()
        self.config = directory / "agent.yaml"
        self.config.write_text(
            f"profile: profile.yaml\nbroker: 127.0.0.1:{port}\nstate: state\ntrusted_key: key\nsysfs: sys\n"
            "window: 0.5 s\nemulate: {gflops: 25}\n" + more
        )
        self._log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "agent.cli", "run", "-c", str(self.config)]
            self.process = subprocess.Popen(command, stderr=log)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)

    def log(self) -> str:
        return self._log.read_text()

    def status(self) -> dict[str, object]:
        loaded: dict[str, object] = json.loads((self.state / "status.json").read_text())
        return loaded

    def workers(self) -> list[int]:
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for each in tasks for pid in each.read_text().split()]


A, B = model(1), model(2)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def rss_bytes(pid: int, which: str = "VmRSS") -> int:
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith(which))
    return int(line.split()[1]) * 1024


def cpu_s(pid: int) -> float:
    """Of the process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
