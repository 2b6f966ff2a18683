"""Which rollout owns each device, and where devices stand in rollouts."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from controller.core.nouns.member import Member
from controller.core.nouns.owner import Owner
from controller.store.rows import Rows, to_row
from controller.store.tables import members, owners


class MemberRows(Rows):
    def put_owners(self, changed: Iterable[Owner]) -> None:
        self._put_all(owners, [to_row(each) for each in changed])

    def owners(self) -> list[Owner]:
        return self._all(Owner, select(owners))

    def put_members(self, changed: Iterable[Member]) -> None:
        self._put_all(members, [to_row(each) for each in changed])

    def members(self, rollout: str) -> list[Member]:
        """All that it ever had, by device."""
        return self._all(Member, select(members).where(members.c.rollout == rollout).order_by(members.c.device))

    def owned_members(self) -> list[Member]:
        """Of each device the one in the rollout that owns it."""
        same = (members.c.device == owners.c.device) & (members.c.rollout == owners.c.rollout)
        return self._all(Member, select(members).join(owners, same))
