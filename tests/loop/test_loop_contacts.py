"""Who is there is counted as it moves: always as if all were counted, and never by counting them all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Status
from controller.core.policy import Policy
from controller.core.presence import NEVER, Contact, Presence, Word, presence, spoke, told
from controller.loop import contacts as room
from controller.loop.contacts import Contacts

POLICY = Policy()
DEVICES = "abcd"
FIGURES = {each: f"devices_{each}" for each in Presence}


@dataclass
class Slow:
    """The same without any index: what was heard, and who was what when somebody looked last."""

    heard: dict[str, Contact] = field(default_factory=dict)
    before: dict[str, Presence] = field(default_factory=dict)

    def there(self, now_s: float) -> dict[str, Presence]:
        return {each: presence(self.heard.get(each, NEVER), POLICY, now_s) for each in DEVICES}


SAID = st.sampled_from(["live", "goodbye", "retained", "retained goodbye", "anything"])
STEPS = st.lists(
    st.one_of(
        st.tuples(SAID, st.sampled_from(DEVICES)),
        st.tuples(st.just("forget"), st.sampled_from(DEVICES)),
        st.just(("lose", "")),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 19.0, 20.0, 40.0, 700.0])),
    ),
    max_size=40,
)


def said(what: str, device: str, known: Contact, now_s: float) -> Contact:
    online = Status(device=device, boot="b", online="goodbye" not in what, window_s=5.0, hold_s=0.0)
    return spoke(known, now_s) if what == "anything" else told(known, online, now_s, live="retained" not in what)


@given(STEPS)
def test_the_counts_are_those_of_all_and_whoever_became_something_else_is_named(
    steps: list[tuple[str, str | float]],
) -> None:
    contacts, slow, now_s = Contacts(POLICY), Slow(), 100.0
    for what, whom in steps:
        before, gone = slow.there(now_s), set[str]()
        match what:
            case "wait":
                assert isinstance(whom, float)
                now_s += whom
            case "lose":
                slow.heard.clear()
                contacts.lose()
            case "forget":
                slow.heard.pop(str(whom), None)
                contacts.forget(str(whom))
                gone.add(str(whom))
            case _:
                slow.heard[str(whom)] = said(what, str(whom), contacts.get(str(whom)), now_s)
                contacts.put({str(whom): slow.heard[str(whom)]}, now_s)
        contacts.tick(now_s)
        after = slow.there(now_s)
        expected = Counter(after.values())
        assert contacts.figures(len(DEVICES)) == {name: expected[each] for each, name in FIGURES.items()}
        assert {*contacts.moved} == {each for each in DEVICES if after[each] is not before[each]} - gone
        contacts.moved.clear()


def test_who_is_not_due_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    contacts = Contacts(POLICY)
    online = {f"d-{at}": Contact(Word.LIVE_ONLINE, 100.0 + at, window_s=5.0, hold_s=0.0) for at in range(1000)}
    contacts.put(online, 100.0)
    contacts.moved.clear()
    looked = list[Contact]()

    def counted(contact: Contact, policy: Policy, now_s: float) -> Presence:
        looked.append(contact)
        return presence(contact, policy, now_s)

    monkeypatch.setattr(room, "presence", counted)
    for _ in range(100):
        contacts.tick(119.0)
        assert contacts.figures(2000)["devices_online"] == 1000
    assert looked == []
    contacts.tick(122.5)
    assert (len(looked), [*contacts.moved]) == (3, ["d-0", "d-1", "d-2"])
    assert contacts.figures(2000) == {
        "devices_online": 997, "devices_quiet": 3, "devices_unknown": 1000, "devices_offline": 0
    }  # fmt: skip
