"""Which rollout owns each device and where it stands there, as a turn leaves it."""

from __future__ import annotations

from collections.abc import Iterator

from controller.core.nouns.member import Member
from controller.core.nouns.owner import Owner
from controller.core.policy import Policy
from controller.loop.fleet import Fleet
from controller.loop.ledger.book import Book
from controller.loop.staged import Staged
from controller.store.tx import Tx


class MemberBook(Book):
    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._owners, self._members = Staged(fleet.owners), Staged(fleet.members)
        self._left = list[Member]()

    def owner(self, device: str) -> Owner | None:
        return self._owners.get(device)

    def owned_by(self, rollout: str) -> list[str]:
        """The devices that it owns."""
        return [each.device for each in self._owners.values() if each.rollout == rollout]

    def member(self, device: str) -> Member | None:
        """As it stands in the rollout that owns it."""
        return self._members.get(device)

    def members(self) -> Iterator[Member]:
        return self._members.values()

    def put_member(self, member: Member) -> None:
        self._members.put(member.device, member)

    def join(self, owner: Owner, member: Member, left: Member | None) -> None:
        """What stays of a device in the rollout before is only kept in the database."""
        self._owners.put(owner.device, owner)
        self._members.put(member.device, member)
        if left is not None:
            self._left.append(left)

    def forget_member(self, device: str) -> None:
        """Of all rollouts."""
        self._owners.drop(device)
        self._members.drop(device)
        self._left = [each for each in self._left if each.device != device]

    def _write_members(self, tx: Tx) -> None:
        tx.put_owners(self._owners.written())
        tx.put_members(self._left)
        tx.put_members(self._members.written())

    def _apply_members(self) -> None:
        self._owners.apply(self._fleet.owners)
        self._members.apply(self._fleet.members)
