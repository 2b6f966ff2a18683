"""The measurements, each on a ground of its own."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
from asking import INFER, request, under_load
from realagent import WIDTH, A, B, cpu_s, rss_bytes

from agent.wire.messages import Status
from agent.worker.backends.onnx import OnnxSession
from agent.worker.runtime import example
from tests.bench.agent.ground import ground, median_s
from tests.bench.agent.simulated import simulated

__all__ = ["by_hand", "idles", "installed", "overheads", "simulated", "starts", "swaps"]


def starts(folder: Path, times: int = 10) -> dict[str, Any]:
    """From the start of the process to the controller's word that the device is online."""
    taken = []
    with ground(folder) as here:
        for _ in range(times):
            here.controller.heard.clear()
            began = time.monotonic()
            here.agent.start()
            here.controller.until(lambda: (last := here.controller.last(Status)) is not None and last.online)
            taken.append(time.monotonic() - began)
            assert here.agent.process is not None
            here.agent.process.terminate()
            here.agent.process.wait()
    return {"start_to_connected_s": float(np.median(taken)), "longest_s": max(taken)}


def idles(folder: Path, lasts_s: float) -> dict[str, Any]:
    """The supervisor and its worker while nobody asks, with telemetry every 30 s as usual.

    A leak would go on in the second half. Within the first, Python rebuilds its table of interned strings once, which
    `pathlib` fills with the parts of each path: 532 KiB.
    """
    with ground(folder) as here:
        here.agent.start()
        here.serve(A, 1)
        (worker,) = here.agent.workers()
        time.sleep(min(60.0, lasts_s / 4))
        supervisor = here.agent.pid
        before, cpu, since = rss_bytes(supervisor), cpu_s(supervisor), time.monotonic()
        worker_cpu = cpu_s(worker)
        seen = [before]
        while time.monotonic() - since < lasts_s:
            here.wait(5)
            seen.append(rss_bytes(supervisor))
        elapsed_s = time.monotonic() - since
        return {
            "lasted_s": elapsed_s,
            "supervisor_rss_bytes": max(seen),
            "supervisor_grew_bytes": seen[-1] - before,
            "supervisor_grew_late_bytes": seen[-1] - seen[len(seen) // 2],
            "supervisor_cpu_share": (cpu_s(supervisor) - cpu) / elapsed_s,
            "worker_cpu_share": (cpu_s(worker) - worker_cpu) / elapsed_s,
            "worker_rss_bytes": rss_bytes(worker),
        }


def overheads(folder: Path, count: int = 3000) -> dict[str, Any]:
    """An inference over HTTP on a kept connection against the same call of the runtime."""
    session = OnnxSession(A)
    inputs = example(session, np.random.default_rng(0))
    row: dict[str, Any] = {"bare_s": median_s(lambda: session.run(inputs), count)}
    with ground(folder) as here:
        here.agent.start()
        here.serve(A, 1)
        for name, binary in (("binary", True), ("json", False)):
            body, headers = request(binary)
            connection = here.connect()

            def ask(connection: Any = connection, body: bytes = body, headers: dict[str, str] = headers) -> None:
                connection.request("POST", INFER, body, headers)
                assert connection.getresponse().read()

            row[f"{name}_s"] = median_s(ask, count)
            connection.close()
    return row


def swaps(folder: Path, times: int, clients: int = 4) -> dict[str, Any]:
    """Swaps while clients ask without a pause: what failed, and the longest that any waited."""
    with ground(folder) as here:
        here.agent.start()
        here.serve(A, 1)
        with under_load(here.port, binary=True, count=clients) as asking:
            for number in range(times):
                here.serve((B, A)[number % 2], number + 2)
    failed = sum(len(each.failed) for each in asking)
    requests = failed + sum(each.answered for each in asking)
    return {"swaps": times, "requests": requests, "failed": failed, "longest_s": max(each.longest_s for each in asking)}


def by_hand(folder: Path, count: int = 1000) -> dict[str, Any]:
    """The forty lines: what they take, and what an inference over MQTT costs there."""
    path = folder / "model.onnx"
    path.write_bytes(A)
    answered = threading.Semaphore(0)
    with ground(folder) as here:
        script = Path(__file__).with_name("byhand.py")
        process = subprocess.Popen([sys.executable, str(script), str(path), str(here.broker.port)])
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="asker")
        client.on_message = lambda *_: answered.release()
        client.connect("127.0.0.1", here.broker.port)
        client.subscribe("byhand/out", qos=0)
        client.loop_start()
        body = str([[0.5] * WIDTH])

        def ask() -> None:
            client.publish("byhand/in", body, qos=0)
            while not answered.acquire(timeout=2):
                client.publish("byhand/in", body, qos=0)

        try:
            time.sleep(2)
            taken_s = median_s(ask, count)
            return {"rss_bytes": rss_bytes(process.pid), "round_trip_s": taken_s}
        finally:
            client.loop_stop()
            process.kill()
            process.wait()


def installed() -> dict[str, Any]:
    """Bytes of the distributions that `hedgerow` and `hedgerow[worker]` bring."""
    supervisor = _closure({"cryptography", "msgspec", "paho-mqtt", "PyYAML"})
    worker = _closure({"numpy", "onnxruntime"})
    return {"supervisor_bytes": sum(map(_size, supervisor)), "worker_bytes": sum(map(_size, worker - supervisor))}


def _closure(names: set[str]) -> set[str]:
    found, waiting = set[str](), set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        for line in importlib.metadata.requires(name) or ():
            needed = line.split(";")[0].split("[")[0].strip(" <>=!~0123456789.,()")
            if "extra ==" not in line and needed not in found:
                try:
                    importlib.metadata.version(needed)
                except importlib.metadata.PackageNotFoundError:
                    continue  # for another platform or Python
                waiting.add(needed)
    return found


def _size(name: str) -> int:
    files = importlib.metadata.files(name) or ()
    return sum(size for each in files if (size := each.size) is not None)
