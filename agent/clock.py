"""Whether something keeps this host's clock: chrony, ntpd, systemd-timesyncd ... all tell the kernel."""

from __future__ import annotations

import ctypes

_UNKEPT_US = 16_000_000  # the kernel's limit of the error, which an unkept clock comes to; timedatectl asks the same


class _Timex(ctypes.Structure):
    """The beginning of adjtimex(2)'s struct, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_byte * 512),
    )


def synchronised() -> bool:
    told = _Timex()
    state: int = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
    return state >= 0 and told.maxerror < _UNKEPT_US
