"""A device's windows into its hours: those that came since it was done last, in a transaction with how far it is."""

from __future__ import annotations

from collections import defaultdict

from controller.core.breach import Limits, is_outside, limits_of
from controller.core.nouns.device import Device
from controller.core.nouns.rollup import Rollup
from controller.core.nouns.window import StoredWindow
from controller.core.rollup import Came, hour_of, with_windows
from controller.store.tx import Tx

Key = tuple[int, str]
"""An hour and a variant."""


def roll_up(tx: Tx, device: Device, most: int) -> int:
    """The first `most` windows that are not in yet; how many they were."""
    new = tx.windows_after(device.id, tx.rolled_up_to(device.id), most)
    if new:
        limits, of_key = limits_of(device.profile, device.calibration), defaultdict[Key, list[Came]](list)
        for row_id, stored in new:
            of_key[_key(stored)].append(Came(row_id, stored.window, _outside(stored, limits)))
        known = {_named(each): each for each in tx.rollups_of(device.id, {hour for hour, _ in of_key})}
        changed = [with_windows(known.get(key) or _begun(device.id, key), came) for key, came in of_key.items()]
        tx.put_rollups(device.id, new[-1][0], changed)
    return len(new)


def _named(rollup: Rollup) -> Key:
    return rollup.hour_unix_s, rollup.sha256


def _begun(device: str, key: Key) -> Rollup:
    return Rollup(device=device, hour_unix_s=key[0], sha256=key[1])


def _key(stored: StoredWindow) -> Key:
    closed_unix_s = stored.received_unix_s if stored.closed_unix_s is None else stored.closed_unix_s
    return hour_of(closed_unix_s), stored.window.sha256 or ""


def _outside(stored: StoredWindow, limits: Limits) -> bool:
    """As it was judged when it came; what an earlier release did not judge is judged by what holds now."""
    return is_outside(limits, stored.window) if stored.outside is None else stored.outside
