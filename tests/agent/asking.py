"""Applications that ask a real agent's model for inferences over HTTP."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from realagent import WIDTH

INFER = "/v2/models/m/infer"
_HEAD_BYTES = "Inference-Header-Content-Length"


def request(binary: bool) -> tuple[bytes, dict[str, str]]:
    """The body and headers of an inference, its tensors as raw bytes or in JSON."""
    values = np.random.default_rng(0).standard_normal((1, WIDTH)).astype("<f4")
    x: dict[str, object] = {"name": "x", "shape": [1, WIDTH], "datatype": "FP32"}
    if not binary:
        return json.dumps({"inputs": [x | {"data": values.ravel().tolist()}]}).encode(), {}
    raw = values.tobytes()
    x["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [x], "parameters": {"binary_data_output": True}}).encode()
    return head + raw, {_HEAD_BYTES: str(len(head))}


@dataclass
class Client:
    """Asks as fast as it is answered, on one connection as long as the server keeps it."""

    port: int
    binary: bool
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def run(self, until: threading.Event) -> None:
        asked, connection = request(self.binary), http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not until.is_set():
            began = time.monotonic()
            try:
                connection.request("POST", INFER, *asked)
                self._take(connection.getresponse())
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
            self.longest_s = max(self.longest_s, time.monotonic() - began)
        connection.close()

    def _take(self, answer: http.client.HTTPResponse) -> None:
        said = answer.read()
        if answer.status == 200 and _outputs(answer, said) == WIDTH:
            self.answered += 1
        else:
            self.failed.append(f"{answer.status} {said[:200]!r}")


def _outputs(answer: http.client.HTTPResponse, said: bytes) -> int:
    """How many numbers came back."""
    head_bytes = answer.headers[_HEAD_BYTES]
    if head_bytes is None:
        return len(json.loads(said)["outputs"][0]["data"])
    return (len(said) - int(head_bytes)) // 4


@contextmanager
def under_load(port: int, *, binary: bool = False, count: int = 4) -> Iterator[list[Client]]:
    """Clients that ask without a pause until the block ends, each on a thread of its own."""
    done, clients = threading.Event(), [Client(port, binary) for _ in range(count)]
    threads = [threading.Thread(target=each.run, args=(done,)) for each in clients]
    for each in threads:
        each.start()
    try:
        yield clients
    finally:
        done.set()
        for each in threads:
            each.join()
