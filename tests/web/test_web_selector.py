"""Selectors: which devices are meant."""

from __future__ import annotations

import pytest

from agent.wire.errors import WireError
from agent.wire.profile import parse_profile
from controller.core.nouns.device import Device, DeviceState
from controller.core.selector import parse_selector

TEXT = "device: cam-1\nclass: camera\nlabels: {site: north, floor: '3'}\n"
PROFILE = parse_profile(TEXT)
CAMERA = Device(id="cam-1", state=DeviceState.ACCEPTED, profile=PROFILE, device_class="camera", labels=PROFILE.labels)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("  ", True),
        ("site=north", True),
        ("site = north , class=camera", True),
        ("id=cam-1", True),
        ("id=cam-2", False),
        ("site=south", False),
        ("site=north,floor=4", False),
        ("nothing=north", False),
    ],
)
def test_every_part_must_match(text: str, matches: bool) -> None:
    assert parse_selector(text).matches(CAMERA) is matches


def test_a_selector_reads_back_from_its_own_text() -> None:
    selector = parse_selector(" site = north ,class=camera")
    assert str(selector) == "site=north,class=camera"
    assert parse_selector(str(selector)) == selector


@pytest.mark.parametrize("text", ["north", "site=", "=north", "site=a=b", "site=a,", "site==a", "si te=a"])
def test_what_is_no_selector_says_how_one_is_written(text: str) -> None:
    with pytest.raises(WireError, match=r"KEY=VALUE.*site=north"):
        parse_selector(text)


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(WireError, match="twice"):
        parse_selector("site=a,site=b")
