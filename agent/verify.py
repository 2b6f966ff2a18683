"""`python -m agent.verify KEY`: is the envelope on stdin signed by KEY (raw Ed25519 in base64)?

A process of its own, because the library that checks takes 7 MB and is needed once in a while. It ends with 0 and the
assignment on stdout, or with 1 and the reason.
"""

from __future__ import annotations

import base64
import sys


def main() -> int:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from agent.wire.errors import WireError
    from agent.wire.messages import encode
    from agent.wire.signing import verify

    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(sys.argv[1]))
    try:
        said, code = encode(verify(sys.stdin.buffer.read(), key)), 0
    except WireError as error:
        said, code = str(error).encode(), 1
    sys.stdout.buffer.write(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
