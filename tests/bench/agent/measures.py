"""The measurements, each on a ground of its own."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt

from agent.wire.messages import Status
from agent.worker.runtime import OnnxSession, example
from tests.bench.agent.ground import INFER, A, B, ground, median_s, request

_TICKS = os.sysconf("SC_CLK_TCK")
Say = Any


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
    """The supervisor and its worker while nobody asks, with telemetry every 30 s as usual."""
    with ground(folder) as here:
        here.agent.start()
        here.serve(A, 1)
        (worker,) = here.agent.workers()
        time.sleep(min(60.0, lasts_s / 4))
        supervisor = here.agent.pid
        before, cpu, since = rss_bytes(supervisor), cpu_s(supervisor), time.monotonic()
        worker_cpu = cpu_s(worker)
        highest = before
        while time.monotonic() - since < lasts_s:
            here.controller.until(lambda: True)
            wake_s = time.monotonic() + 5
            while time.monotonic() < wake_s:  # the controller acknowledges windows meanwhile
                try:
                    here.controller.until(lambda: False, 1)
                except AssertionError:
                    continue
            highest = max(highest, rss_bytes(supervisor))
        elapsed_s = time.monotonic() - since
        return {
            "lasted_s": elapsed_s,
            "supervisor_rss_bytes": highest,
            "supervisor_grew_bytes": rss_bytes(supervisor) - before,
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
    done, failed, longest, asked = threading.Event(), list[str](), [0.0] * clients, [0] * clients
    with ground(folder) as here:
        here.agent.start()
        here.serve(A, 1)
        body, headers = request(True)

        def run(number: int) -> None:
            connection = here.connect()
            while not done.is_set():
                began = time.monotonic()
                try:
                    connection.request("POST", INFER, body, headers)
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        failed.append(str(answer.status))
                except OSError as error:
                    failed.append(repr(error))
                    connection.close()
                asked[number] += 1
                longest[number] = max(longest[number], time.monotonic() - began)
            connection.close()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
        for each in threads:
            each.start()
        for number in range(times):
            here.serve((B, A)[number % 2], number + 2)
        done.set()
        for each in threads:
            each.join()
    return {"swaps": times, "requests": sum(asked), "failed": len(failed), "longest_s": max(longest)}


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
        client.subscribe("byhand/out", qos=1)
        client.loop_start()
        body = str([[0.5] * 256])

        def ask() -> None:
            client.publish("byhand/in", body, qos=1)
            while not answered.acquire(timeout=2):
                client.publish("byhand/in", body, qos=1)

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


def rss_bytes(pid: int) -> int:
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


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
