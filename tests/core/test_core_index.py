"""A selector finds by the index what it matches one by one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.core.index import LabelIndex
from controller.core.nouns.device import Device
from controller.core.selector import Selector
from tests.core.builders import always, device

keys, values = st.sampled_from(["site", "class", "id", "a,b"]), st.sampled_from(["north", "south", "d1", "camera", ""])
labels = st.dictionaries(keys, values)
devices = st.builds(
    lambda number, labels, kind: replace(device(id=f"d{number}"), labels=labels, device_class=kind),
    st.integers(0, 5), labels, values,
)  # fmt: skip
selectors = st.builds(lambda wanted: Selector(tuple(wanted.items())), labels)


@always
@given(st.lists(devices, max_size=15), selectors)
def test_it_finds_what_matches_whatever_was_changed(changes: list[Device], selector: Selector) -> None:
    index, known = LabelIndex(), dict[str, Device]()
    for each in changes:
        index.move(known.get(each.id), each)
        known[each.id] = each
    assert index.find(selector, known) == sorted(each.id for each in known.values() if selector.matches(each))
    assert index == LabelIndex.of(known.values())
    for each in list(known.values()):
        index.move(each, None)
    assert index == LabelIndex()
