"""The worker's own memory: high-water mark, and a hard stop for its growth.

`ru_maxrss` is inherited from the parent and lies; `VmHWM` of /proc/self/status can be reset and does not.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # Linux, Documentation/filesystems/proc.rst: resets VmHWM to the current VmRSS
_SHORTAGE = ("bad_alloc", "Failed to allocate", "MemoryError")
_VIRTUAL_SLACK_BYTES = 16 * 2**20


def is_shortage(error: Exception) -> bool:
    """Was it refused memory? Runtimes say so by types of their own."""
    return any(sign in f"{type(error).__name__}: {error}" for sign in _SHORTAGE)


def rss_bytes() -> int:
    return _field("VmRSS")


def peak_bytes() -> int:
    return _field("VmHWM")


def settle() -> None:
    """Give free memory back and start the high-water mark from here.

    Where the C library (musl) or the kernel cannot, the figures that follow are higher than they need be.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text(_RESET_PEAK)


def limit_growth(bytes_left: int, reserved_bytes: int) -> None:
    """Refuse private memory beyond `bytes_left` more than now (RLIMIT_DATA), so a runaway ends here, not in the host.

    The limit counts reserved, not resident memory, so it has some slack, and room for `reserved_bytes` that are known
    to be reserved later and hardly touched; the high-water mark is the judge.
    """
    limit = _field("VmData") + max(bytes_left, 0) + reserved_bytes + _VIRTUAL_SLACK_BYTES
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]  # what an owner set for the whole agent stays
    resource.setrlimit(resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _field(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
