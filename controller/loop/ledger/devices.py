"""Devices as a turn leaves them: what they say, and what they were last told to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from agent.wire.messages import Result
from controller.core.mark import Mark, known_mark
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.forgotten import Forgotten
from controller.core.nouns.incident import IncidentState
from controller.core.policy import Policy
from controller.core.presence import NEVER, Contact, Presence, presence
from controller.core.selector import Selector
from controller.loop.fleet import Fleet, kept, lasting
from controller.loop.ledger.windows import WindowBook
from controller.loop.staged import Staged
from controller.store.tx import Tx


class DeviceBook(WindowBook):
    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._devices, self._forgotten_devices = Staged(fleet.devices), Staged(fleet.forgotten)
        self._rewritten = list[Device]()
        self._assigned, self._finished = list[Desired](), list[Desired]()
        self._incidents_gone = dict[IncidentState, int]()
        self.sent_unix_s, self.forgotten_now = dict[str, float](), list[str]()
        self._contacts, self._contacts_lost = dict[str, Contact](), False
        self._seen = dict[str, float]()

    def get_device(self, device: str) -> Device | None:
        return self._devices.get(device)

    def devices(self) -> Iterator[Device]:
        return self._devices.values()

    def selected(self, selector: Selector) -> list[str]:
        """The committed ones that it matches, in order; who was changed in this turn is woken for that."""
        return [*self._fleet.directory.matching(selector)]

    def put_device(self, device: Device) -> None:
        self._devices.put(device.id, device)
        self.woken.add(device.id)

    def saw_device(self, device: str, unix_s: float) -> None:
        """It was heard of then."""
        self._seen[device] = unix_s

    def forget_device(self, device: str, now_unix_s: float) -> None:
        """All of it but its mark, and which windows came; what else is staged of it in this turn goes too."""
        known = self._devices.get(device)
        epoch, seq = known_mark(0, self.issued(device), None if known is None else known.reported)
        self.put_forgotten(Forgotten(device=device, epoch=epoch, seq=seq, forgotten_unix_s=now_unix_s))
        self._devices.drop(device)
        self._desired.drop(device)
        self._windows.drop(device)
        self._assigned = [each for each in self._assigned if each.device != device]
        self._finished = [each for each in self._finished if each.device != device]
        self._contacts.pop(device, None)
        self._seen.pop(device, None)
        self.forgotten_now.append(device)
        self.woken.add(device)

    def put_forgotten(self, forgotten: Forgotten) -> None:
        self._forgotten_devices.put(forgotten.device, forgotten)

    def get_forgotten(self, device: str) -> Forgotten | None:
        return self._forgotten_devices.get(device)

    def issued(self, device: str) -> Mark:
        """The highest (epoch, seq) that it was ever given, also before it was forgotten."""
        newest, before = self._desired.get(device), self._forgotten_devices.get(device)
        return max((0, 0) if newest is None else (newest.epoch, newest.seq), (0, 0) if before is None else before.mark)

    def contact(self, device: str) -> Contact:
        """What was last heard of its connection."""
        known = NEVER if self._contacts_lost else self._fleet.contacts.get(device)
        return self._contacts.get(device, known)

    def put_contact(self, device: str, contact: Contact) -> None:
        self._contacts[device] = contact
        self.woken.add(device)

    @property
    def linked_unix_s(self) -> float | None:
        """Since when our own link is up."""
        return self._fleet.linked_unix_s

    def lose_contacts(self) -> None:
        """Our own link came up or went down: what was heard of devices by it says nothing any more."""
        self._contacts_lost = True
        self._contacts.clear()

    def presence(self, device: str) -> Presence:
        return presence(self.contact(device), self.policy, self.now_s)

    def sent(self, device: str) -> float | None:
        """When it was last sent its assignment, in Unix seconds."""
        return self.sent_unix_s.get(device, self._fleet.sent_unix_s.get(device))

    def latest_desired(self, device: str) -> Desired | None:
        return self._desired.get(device)

    def put_desired(self, desired: Desired) -> None:
        known = self._desired.get(desired.device)
        if known is None or known.sha256 != desired.sha256:
            self._windows.drop(desired.device)
        self._desired.put(desired.device, kept(desired))
        self._assigned.append(desired)
        self.woken.add(desired.device)

    def finish_desired(
        self, device: str, epoch: int, seq: int, *, result: Result, reason: str, when_unix_s: float
    ) -> None:
        """Record how the newest assignment ended; another one is ignored, a device may report anything."""
        known = self._desired.get(device)
        if known is not None and (known.epoch, known.seq) == (epoch, seq):
            ended = replace(known, result=result, reason=reason, finished_unix_s=when_unix_s)
            self._desired.put(device, ended)
            self._finished.append(ended)
            self.woken.add(device)

    def _write_devices(self, tx: Tx) -> None:
        if self.forgotten_now:
            self._incidents_gone = tx.states_of_incidents(self.forgotten_now)
        tx.forget_devices(self.forgotten_now)
        tx.put_forgotten(self._forgotten_devices.written())
        self._rewritten = [each for each in self._devices.written() if self._is_rewritten(each)]
        tx.put_devices(self._rewritten)

    def _write_assignments(self, tx: Tx) -> None:
        tx.add_desired(self._assigned)
        tx.finish_desired(self._finished)

    def _is_rewritten(self, device: Device) -> bool:
        """Not for how far a download is."""
        known = self._fleet.devices.get(device.id)
        return known is None or lasting(known) != lasting(device)

    def _apply_devices(self) -> None:
        for device in self.forgotten_now:
            self._fleet.sent_unix_s.pop(device, None)
            self._fleet.contacts.forget(device)
            self._fleet.seen.pop(device, None)
        self._fleet.directory.move(self._fleet.devices, self._devices.new)
        self._fleet.census.devices_move(self._fleet.devices, self._devices.new)
        self._fleet.census.incidents_go(self._incidents_gone)
        self._devices.apply(self._fleet.devices)
        self._forgotten_devices.apply(self._fleet.forgotten)
        self._desired.apply(self._fleet.desired)

    def _apply_contacts(self) -> None:
        """What is heard of devices; no row is written for it at once."""
        if self._contacts_lost:
            self._fleet.contacts.lose()
        self._fleet.contacts.put(self._contacts, self.now_s)
        self._fleet.seen.update(self._seen)
