"""What the directory says of a selector is what the selector says of each device."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from agent.wire.profile import Profile
from controller.core.nouns.device import Device, DeviceState
from controller.core.selector import Selector
from controller.loop.directory import Directory

IDS = st.sampled_from(["a", "b", "b-1", "c", "zz"])
WORDS = st.sampled_from(["north", "south", "camera", "a"])
LABELS = st.dictionaries(st.sampled_from(["site", "floor", "class", "id"]), WORDS, max_size=3)
STATES = st.lists(st.sampled_from(DeviceState), max_size=2, unique=True)
SELECTORS = st.lists(
    st.tuples(st.sampled_from(["site", "floor", "class", "id"]), st.one_of(WORDS, IDS)), max_size=3
).map(lambda parts: Selector(tuple(parts)))


def device(name: str, labels: Mapping[str, str], kind: str, state: DeviceState) -> Device:
    profile = Profile(device=name, device_class=kind, labels=labels)
    return Device(id=name, state=state, profile=profile, device_class=kind, labels=labels)


DEVICES = st.builds(device, IDS, LABELS, WORDS, st.sampled_from(DeviceState))
MOVES = st.lists(st.dictionaries(IDS, st.one_of(st.none(), DEVICES), max_size=4), max_size=5)


def after(moves: list[dict[str, Device | None]]) -> tuple[Directory, dict[str, Device]]:
    directory, known = Directory(), dict[str, Device]()
    for move in moves:
        named = {each.id: each for each in move.values() if each is not None}
        new = {**{name: None for name, each in move.items() if each is None}, **named}
        directory.move(known, new)
        for name, each in new.items():
            if each is None:
                known.pop(name, None)
            else:
                known[name] = each
    return directory, known


@given(MOVES, SELECTORS, STATES, st.one_of(st.just(""), IDS))
def test_it_finds_those_that_the_selector_matches_in_order(
    moves: list[dict[str, Device | None]], wanted: Selector, states: list[DeviceState], above: str
) -> None:
    directory, known = after(moves)
    expected = sorted(
        name for name, each in known.items() if wanted.matches(each) and (not states or each.state in states)
    )
    assert [*directory.matching(wanted, states)] == expected
    assert [*directory.matching(wanted, states, above)] == [name for name in expected if name > above]
    assert directory.count(wanted, states) == len(expected)


@given(MOVES)
def test_it_is_the_one_that_a_restart_would_make(moves: list[dict[str, Device | None]]) -> None:
    directory, known = after(moves)
    assert directory == Directory(known.values())
