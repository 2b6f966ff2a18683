"""What an owner calls a device by: its class and its labels. Any printable text; a selector can name every one."""

from __future__ import annotations

from agent.wire.errors import WireError
from agent.wire.section import At, as_written, find, plain

OWN = ("id", "class")
"""Keys of a selector that are the device's own."""


def read_labels(at: At | None) -> dict[str, str]:
    if at is None:
        return {}
    if not isinstance(at.value, dict):
        raise at.error("a mapping of names to short texts is expected, as in {site: ward-3}")
    return {key: read_text(each) or "" for key, each in at.value.items()}


def read_text(at: At | None) -> str | None:
    """A text as it was written; what is none, as earlier releases read it."""
    if at is None:
        return None
    try:
        return as_written(at)
    except WireError:
        return str(plain(at))


def refuse_unusable(profile: At) -> None:
    """Raises `WireError` for a class or a label that is no text or that no selector could name, with its line."""
    labels = find(profile, "labels")
    for key, at in labels.value.items() if labels is not None else ():
        if key in OWN or not key:
            raise at.error(f"a name is needed here, other than {' and '.join(OWN)}, which are the device's own")
        _refuse_unprintable(at, key)
        _refuse_unprintable(at, as_written(at))
    if (device_class := find(profile, "class")) is not None:
        _refuse_unprintable(device_class, as_written(device_class))
    device = find(profile, "device")
    if device is not None and as_written(device) != str(device.value):  # 007 has become 7, and 0x1f has become 31
        raise device.error(f"YAML reads {device.written} as {device.value}; write it in quotes")


def _refuse_unprintable(at: At, text: str) -> None:
    if not text.isprintable():
        raise at.error(f"{text!r}: printable characters are allowed")
