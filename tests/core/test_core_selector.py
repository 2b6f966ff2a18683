"""Which devices a selector means, and what is said of one that cannot be read."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import WireError
from agent.wire.labels import OWN
from agent.wire.profile import parse_profile
from controller.core.selector import Selector, parse_selector
from tests.core.builders import device

CAMERA = device(id="cam-1", device_class="camera", labels={"site": "north", "floor": "2"})


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", True),
        ("site=north", True),
        (" site = north , floor=2 ", True),
        ("site=north,floor=3", False),
        ("class=camera", True),
        ("id=cam-1", True),
        ("id=cam-2", False),
        ("owner=me", False),
    ],
)
def test_every_part_must_match(text: str, meant: bool) -> None:
    assert parse_selector(text).matches(CAMERA) is meant


def test_a_selector_reads_back_as_it_is_shown() -> None:
    assert str(parse_selector(" site = north,class=camera")) == "site=north,class=camera"


@pytest.mark.parametrize("text", ["site", "site=", "=north", "site=a,,floor=2", "site=a=b", "site=a,site=b"])
def test_what_cannot_be_read_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(WireError, match=r"selector '"):
        parse_selector(text)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("Straße", "Süd", "Straße=Süd"),
        ("地点", "東", "地点=東"),
        ("note", "a,b", 'note="a,b"'),
        ("a=b", "c=d", '"a=b"="c=d"'),
        ("ward no", "3 north", '"ward no"=3 north'),
        ("size", '3.5"', 'size=3.5"'),
        ("name", '"big", they say', 'name="""big"", they say"'),
        ("note", "", 'note=""'),
        ("note", " x ", 'note=" x "'),
        ("site!", "x", '"site!"=x'),
    ],
)
def test_a_label_of_any_letters_can_be_named(key: str, value: str, text: str) -> None:
    labelled = device(id="cam-1", labels={key: value, "floor": "2"})
    assert str(Selector(((key, value),))) == text
    assert parse_selector(f"{text},floor=2").matches(labelled)
    assert parse_selector(f"floor=2 , {text} ").matches(labelled)
    assert not parse_selector(text).matches(CAMERA)


_LETTERS = st.characters().filter(lambda letter: letter.isprintable()) | st.sampled_from(" ,=\"'#:~")
_TEXT = st.text(_LETTERS, max_size=12)


@given(st.dictionaries(_TEXT.filter(lambda key: key and key not in OWN), _TEXT, min_size=1, max_size=4))
def test_whatever_a_profile_may_label_a_selector_names_and_reads_back(labels: dict[str, str]) -> None:
    profile = parse_profile(yaml.safe_dump({"device": "a", "labels": labels}, allow_unicode=True))
    assert profile.labels == labels
    selector = Selector(tuple(labels.items()))
    assert parse_selector(str(selector)) == selector
    assert parse_selector(str(selector)).matches(device(id="a", labels=profile.labels))


@given(st.text(st.sampled_from("ab,=\"' !"), max_size=12))
def test_a_selector_that_can_be_read_reads_back(text: str) -> None:
    try:
        selector = parse_selector(text)
    except WireError:
        return
    assert parse_selector(str(selector)) == selector
