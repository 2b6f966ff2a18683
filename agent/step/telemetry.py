"""Windows into the spool, batches out of it: one batch is under way until its ack or its time is over.

On the mains each window is sent as it closes. On battery the radio is what telemetry costs: windows with nothing to
tell wait in the spool for one message of several, the longer the less charge is left.
"""

from __future__ import annotations

from dataclasses import replace

from agent.sensed import Sensed
from agent.step.effects import Free, SendBatch, Spool
from agent.step.events import AckArrived, BatchSent, WindowClosed
from agent.step.state import InFlight, State, Turn, Worker
from agent.wire.messages import Window

ACK_S, ACK_MAX_S = 10.0, 120.0
BATTERY_S, LOW_BATTERY_S = 300.0, 900.0
LOW_PERCENT = 20.0
FRESH_S = 600.0
"""For so long after a variant went into service each window is sent as it closes: a rollout waits for them."""


def spool_window(state: State, event: WindowClosed, worker: Worker) -> Turn:
    state = replace(state, window_seq=state.window_seq + 1)
    closed = window(state, event, worker.sha256)
    state = replace(state, held_back_s=_held_back_s(closed))
    spooled = Turn(state).do(Spool(closed))
    return spooled if _may_wait(state, closed, event.now_s) else spooled.then(send)


def _may_wait(state: State, closed: Window, now_s: float) -> bool:
    worker, slot = state.active, state.record.active
    if not closed.battery_discharging or worker is None or slot is None or now_s - worker.since_s < FRESH_S:
        return False
    cap_ms = slot.assignment.latency_p95_ms
    slow = cap_ms is not None and closed.latency_p95_ms is not None and closed.latency_p95_ms > cap_ms
    trouble = slow or closed.errors or closed.throttled_share or closed.undervoltage
    return not trouble and now_s - state.sent_s < state.held_back_s


def _held_back_s(closed: Window) -> float:
    """How long windows may wait, by the battery as this one has it."""
    if not closed.battery_discharging:
        return 0.0
    low = closed.battery_percent is not None and closed.battery_percent < LOW_PERCENT
    return LOW_BATTERY_S if low else BATTERY_S


def window(state: State, event: WindowClosed, sha256: str) -> Window:
    """What the worker of `sha256` saw and what the sensors said in one interval; `state` has counted it already."""
    line, sensed = event.line, event.sensed
    busy_share = min(1.0, line.busy_s / line.duration_s) if line.duration_s > 0 else None
    watts, source = _power(state, sensed, busy_share)
    return Window(
        seq=state.window_seq,
        duration_s=line.duration_s,
        wall_unix_s=event.wall_unix_s,
        closed_s=event.steady_s,
        sha256=sha256,
        count=line.count,
        errors=line.errors,
        latency_p50_ms=line.latency_p50_ms,
        latency_p95_ms=line.latency_p95_ms,
        latency_p99_ms=line.latency_p99_ms,
        latency_mean_ms=line.latency_mean_ms,
        latency_source=line.latency_source,
        busy_share=busy_share,
        cpu_share=line.cpu_s / line.duration_s if line.duration_s > 0 else None,
        rss_bytes=line.rss_bytes,
        ram_peak_bytes=line.ram_peak_bytes,
        temperature_celsius=sensed.temperature_celsius,
        temperature_max_celsius=sensed.temperature_max_celsius,
        temperature_mean_celsius=sensed.temperature_mean_celsius,
        power_watts=watts,
        power_source=source,
        energy_per_inference_joules=watts * line.duration_s / line.count if watts is not None and line.count else None,
        battery_percent=sensed.battery_percent,
        battery_discharging=sensed.battery_discharging,
        frequency_hz=sensed.frequency_hz,
        throttled_share=sensed.throttled_share,
        undervoltage=sensed.undervoltage,
        cpu_per_inference_s=line.cpu_per_inference_s,
        host_busy_share=sensed.host_busy_share,
        pressure_share=sensed.pressure_share,
        asked=line.asked,
        shed=line.shed,
        queue_mean_ms=line.queue_mean_ms,
        queue_p95_ms=line.queue_p95_ms,
        implausible=told(sensed),
    )


def told(sensed: Sensed) -> str:
    """Why values that sensors gave were not believed in this interval; empty where all were."""
    return "; ".join(f"{name}: {why}" for name, why in sorted(sensed.implausible.items()))


def _power(state: State, sensed: Sensed, busy_share: float | None) -> tuple[float | None, str | None]:
    """A sensor's figure, or idle and busy watts weighted by the busy share; the assignment's figures know more."""
    if sensed.power_watts is not None:
        measured = "package" if sensed.power_package else "measured"
        return sensed.power_watts, "emulated" if state.setup.sensors_emulated else measured
    assigned = state.record.active.assignment if state.record.active else None
    idle_watts, busy_watts = state.setup.power_idle_watts, state.setup.power_busy_watts
    if assigned is not None and assigned.power_idle_watts is not None and assigned.power_busy_watts is not None:
        idle_watts, busy_watts = assigned.power_idle_watts, assigned.power_busy_watts
    if idle_watts is None or busy_watts is None or busy_share is None:
        return None, None
    return idle_watts + (busy_watts - idle_watts) * busy_share, "modelled"


def send(state: State) -> Turn:
    """Send the oldest batch unless one is under way."""
    return Turn(state).do(SendBatch()) if state.link_up and state.in_flight is None else Turn(state)


def batch_sent(state: State, event: BatchSent) -> Turn:
    wait_s = min(ACK_MAX_S, ACK_S * 2.0**state.unacked)
    under_way = InFlight(boot=event.boot, seq=event.seq, until_s=event.now_s + wait_s)
    return Turn(replace(state, in_flight=under_way, sent_s=event.now_s, spoke_s=event.now_s))


def ack_arrived(state: State, event: AckArrived) -> Turn:
    """The windows are in the controller's database: free them, and send what came since."""
    waiting = state.in_flight
    freed = Turn(replace(state, unacked=0)).do(Free(event.boot, event.seq))
    if waiting is None or waiting.boot != event.boot or waiting.seq > event.seq:
        return freed
    return freed.then(lambda left: send(replace(left, in_flight=None)))


def watch_batch(state: State, now_s: float) -> Turn:
    """No ack in time: the batch is sent again, less and less often."""
    waiting = state.in_flight
    if waiting is None or now_s < waiting.until_s:
        return Turn(state)
    return send(replace(state, in_flight=None, unacked=min(state.unacked + 1, 16)))
