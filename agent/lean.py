"""Loading the supervisor without what it never uses: it may take 30 MB, and libraries load more than they need.

paho imports TLS, proxies and HTTP at its top (with them email and all archive formats), and hashlib prefers the digests
of OpenSSL: together 6 MB, more than half of them OpenSSL. Signatures are checked in a process of their own (`verify`).
Python's own SHA-256 is several times slower than that, and still reads an artifact faster than most media do.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType


class NeverRaised(OSError):
    """What paho expects of sockets under TLS."""


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Within, imports of `ssl`, `urllib.request`, `socks` and `_hashlib` get a stand-in; afterwards the real ones.

    What is loaded already stays as it is: a link over TLS imports `ssl` first.
    """
    stand_ins = {name: module for name, module in _stand_ins().items() if name not in sys.modules}
    # The import system's own word for "there is no such module" is None, and mypy does not know it.
    sys.modules.update(stand_ins)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _stand_ins() -> dict[str, ModuleType | None]:
    ssl = ModuleType("ssl")
    # paho can do without `ssl`, but not where a read would block: these two names stand in its except clauses.
    vars(ssl).update(SSLWantReadError=NeverRaised, SSLWantWriteError=NeverRaised)
    # Without `socks` paho asks `urllib.request` for nothing.
    found: dict[str, ModuleType | None] = {"ssl": ssl, "socks": None, "urllib.request": ModuleType("urllib.request")}
    return found | {"_hashlib": None} if _has_own_sha256() else found


def _has_own_sha256() -> bool:
    """Some distributions build Python with the digests of OpenSSL only. The module's name changed with Python 3.12."""
    return any(importlib.util.find_spec(name) is not None for name in ("_sha256", "_sha2"))
