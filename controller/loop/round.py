"""How far a round past all devices is, in the order of their ids. It is stored with what the visits write, so that a
controller that is restarted again and again gets to its end all the same."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Round:
    """All windows before `done_id` are rolled up, as a round that had begun by then has ended; when this one does, it
    is all before `began_id`. The devices up to the id `after` were visited."""

    done_id: int
    began_id: int
    after: str = ""

    @staticmethod
    def remembered(memory: str | None, next_id: int) -> Round:
        """As the last run left it. Windows from `next_id` on are still to come, whatever was there before: a database
        may have been restored."""
        done, _, began_after = (memory or "").partition(" ")
        began, _, after = began_after.partition(" ")
        return Round(min(int(done), next_id), min(int(began), next_id), after) if began else Round(0, 0)

    def memory(self) -> str:
        """For the next run. Ids have no blanks in them."""
        return f"{self.done_id} {self.began_id} {self.after}"

    def going_on(self, next_id: int) -> Round:
        """With its first visit it begins."""
        return self if self.after else replace(self, began_id=next_id)

    def visited(self, device: str) -> Round:
        return replace(self, after=device)

    def ended(self) -> Round:
        """The one that follows it."""
        return Round(self.began_id, self.began_id)
