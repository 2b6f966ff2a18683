"""An emulated device keeps its pace, however fast this host is in that minute."""

from __future__ import annotations

import itertools

import pytest

from agent.worker import emulation
from agent.worker.emulation import Emulation


class Host:
    """A host whose product of matrices takes `product_s` of CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, product_s: float) -> None:
        self.product_s = product_s
        readings = itertools.count()
        monkeypatch.setattr(emulation.time, "thread_time", lambda: (next(readings) % 2) * self.product_s)


def test_a_latency_is_told_by_the_products_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    flop = 2 * 64**3 * 8
    Host(monkeypatch, product_s=0.0001)
    assert Emulation(1.0).latency_s(0.001) == pytest.approx(10 * flop / 1e9)
    assert Emulation(4.0).latency_s(0.001) == pytest.approx(10 * flop / 4e9)


def test_a_host_that_slows_down_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, product_s=0.0001)
    device = Emulation(1.0)
    before = [device.latency_s(0.001) for _ in range(20)][-1]
    host.product_s *= 2
    after = [device.latency_s(0.002) for _ in range(20)][-1]
    assert after == pytest.approx(before)


def test_one_interrupted_inference_is_not_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    Host(monkeypatch, product_s=0.0001)
    device = Emulation(1.0)
    steady = [device.latency_s(cpu_s) for cpu_s in (0.001, 0.001, 0.050, 0.001)]
    assert max(steady) == pytest.approx(min(steady))
