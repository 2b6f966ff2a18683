"""Which devices are meant: `site=north,class=camera`; every part must match, and no part at all means every device.

Any label can be named: what a bare word cannot hold stands in double quotes, a quote in them twice, as in CSV.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.wire.errors import WireError
from controller.core.nouns.device import Device

_QUOTED = r'"(?:[^"]|"")*"'
_KEY = r"[A-Za-z0-9_./\-\u0080-\U0010ffff]+"
_VALUE = r"[^,=]*?"
_PART = re.compile(rf"\s*({_QUOTED}|{_KEY})\s*=\s*({_QUOTED}|{_VALUE})\s*(,|\Z)")


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements by key: `id` and `class` are the device's own, any other key is a label."""

    requirements: tuple[tuple[str, str], ...] = ()

    def matches(self, device: Device) -> bool:
        return all(_value(device, key) == value for key, value in self.requirements)

    def __str__(self) -> str:
        return ",".join(f"{_word(key, _KEY)}={_word(value, _VALUE)}" for key, value in self.requirements)


def parse_selector(text: str) -> Selector:
    """Read a selector; raises `WireError` that says how one is written."""
    requirements = dict[str, str]()
    rest, more = text, bool(text.strip())
    while more:
        match = _PART.match(rest)
        if match is None or not match[2]:
            raise WireError(
                f"selector {text!r}: {rest!r} is not KEY=VALUE; write as in site=north,class=camera or id=cam-1, "
                'and what has a comma or an equals sign in it as in "a,b"=c'
            )
        key, value = _unquoted(match[1]), _unquoted(match[2])
        if key in requirements:
            raise WireError(f"selector {text!r}: {key!r} stands here twice, and a device has one value of it")
        requirements[key] = value
        rest, more = rest[match.end() :], match[3] == ","
    return Selector(tuple(requirements.items()))


def _unquoted(word: str) -> str:
    return word[1:-1].replace('""', '"') if re.fullmatch(_QUOTED, word) else word


def _word(text: str, bare: str) -> str:
    """As a selector writes it: bare where it reads back so."""
    is_bare = re.fullmatch(bare, text) and text == text.strip() and text and not text.startswith('"')
    return text if is_bare else '"' + text.replace('"', '""') + '"'


def terms(device: Device) -> frozenset[tuple[str, str]]:
    """What a selector may ask of the device, beside its id; its own class stands before a label of that name."""
    labels = {key: value for key, value in device.labels.items() if key != "id"}
    return frozenset({**labels, "class": device.device_class}.items())


def _value(device: Device, key: str) -> str | None:
    if key == "id":
        return device.id
    return device.device_class if key == "class" else device.labels.get(key)
