"""The host's clock has jumped: the controller's follows it, with all stamps that durations are still measured from."""

from __future__ import annotations

import logging

from controller.core.policy import Policy
from controller.loop.clock import Clock
from controller.loop.fleet import Fleet, load
from controller.store.store import Store

log = logging.getLogger("hedgerow.correction")


def correct(store: Store, clock: Clock, policy: Policy, fleet: Fleet, step_s: float) -> Fleet:
    """The fleet as it is afterwards, read anew, as what is volatile of it is moved with the clock.

    Raises what the database does; then nothing has moved.
    """
    log.warning("event=clock_corrected by_s=%.0f", step_s)
    with store.begin() as tx:
        tx.saw_devices(fleet.seen)
        tx.restamp(clock.now() - policy.longest_s, step_s)
        tx.put_meta("clock", clock.memory(step_s))
        tx.number_commit(fleet.commit + 1)
        corrected = load(tx, policy)
    clock.step(step_s)
    corrected.contacts = fleet.contacts
    corrected.sent_unix_s = {device: sent_s + step_s for device, sent_s in fleet.sent_unix_s.items()}
    return corrected
