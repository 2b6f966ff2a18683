"""Which boot of the host this is, and its seconds: those of one boot say nothing about those of another.

The name of an agent's boot begins with that of the host's, so that windows which outlived the agent tell whether their
times are still of the clock that goes now.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_OF_HOST = 12  # digits


def steady_s() -> float:
    """Seconds since the host's boot, which nobody can set. Suspended ones count where the system knows them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def boot_id() -> str:
    """Which boot of this host `steady_s` counts from; empty where the system does not say."""
    try:
        return _BOOT_ID.read_text(errors="replace").strip()
    except OSError:
        return ""


def new_boot(host: str) -> str:
    """A name for the boot of an agent that begins now; `host` is the `boot_id`."""
    digits = host.replace("-", "")[:_OF_HOST]
    return digits + uuid.uuid4().hex[len(digits) :]


def same_host_boot(boot: str, other: str) -> bool:
    """Did these two boots of an agent begin in the same boot of its host? Where the system does not say: no, unless it
    is one and the same."""
    return boot == other or boot[:_OF_HOST] == other[:_OF_HOST]
