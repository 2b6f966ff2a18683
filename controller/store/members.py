"""Which rollout owns each device, and where devices stand in rollouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from controller.core.nouns.member import Member, Standing
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

    def members_after(self, rollout: str, after: str, limit: int, standings: Sequence[Standing] = ()) -> list[Member]:
        """The first `limit` of them above the device `after`, by device; in one of these standings, or in any."""
        of = members.c.rollout == rollout
        query = select(members).where(of, members.c.device > after).order_by(members.c.device).limit(limit)
        return self._all(Member, query.where(members.c.standing.in_(standings)) if standings else query)

    def count_members(self, rollout: str) -> dict[Standing, int]:
        """How many stand where."""
        counted = select(members.c.standing, func.count()).where(members.c.rollout == rollout)
        rows = self._connection.execute(counted.group_by(members.c.standing))
        return {Standing(standing): count for standing, count in rows}

    def owned_members(self) -> list[Member]:
        """Of each device the one in the rollout that owns it."""
        same = (members.c.device == owners.c.device) & (members.c.rollout == owners.c.rollout)
        return self._all(Member, select(members).join(owners, same))
