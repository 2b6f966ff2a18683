"""YAML that arrives over the wire: whatever it is, the answer is a profile or a `WireError`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import WireError
from agent.wire.profile import parse_profile
from agent.wire.section import load_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("device: a\nlabels: {[a]}", "p:2: labels: a key is a word"),
        ("? {a: b}\n: c", "p:1: a key is a word"),
        ("device: 2020-13-45", "p:1: device: this value cannot be read; put it in quotes"),
        ("device: !!python/name:os.system x", "p:1: device: this value cannot be read"),
        ("device: !!int x", "p:1: device: this value cannot be read"),
        (BOMB, r"p:2: an alias \(\*a\) is not read here; write the value out"),
        ("a: &a {b: *a}", "p:1: an alias"),
        ("[" * 5000, "p:1: nested more than 16 deep"),
        ("device: a\nstorage: 1e999 MiB", "p:2: storage: '1e999 MiB' is too large"),
        ("device: a\nstorage: 1e30 B", "p:1: storage: at most 1024 TiB"),
        ("a: \0", "p: not YAML: unacceptable character"),
    ],
)
def test_hostile_yaml_is_an_error_that_names_its_place(text: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        parse_profile(text, "p")


@given(st.text(alphabet="a1:- {}[]?!&*|>'\"\n,#%.\0", max_size=40))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(WireError):
        load_yaml(text, "p")
