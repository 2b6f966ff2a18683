"""Which devices a selector means, and what is said of one that cannot be read."""

from __future__ import annotations

import pytest

from agent.wire.errors import WireError
from controller.core.selector import parse_selector
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
