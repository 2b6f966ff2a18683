"""The bytes of artifacts on their way to devices: read from disk, cut in blocks, published at `Push`'s pace."""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.link import Link
from agent.wire import blocks
from agent.wire.errors import WireError
from agent.wire.messages import Need
from agent.wire.topics import BlobTopic
from controller.loop.facts import Lost
from controller.loop.push import Block, Push
from controller.store.artifacts import Artifacts
from controller.store.errors import ArtifactError

log = logging.getLogger("hedgerow.broadcast")


class Broadcast:
    """`lost` hears of an artifact whose bytes are gone."""

    def __init__(self, link: Link, artifacts: Artifacts, steady_s: Callable[[], float]) -> None:
        self._link, self._artifacts, self._steady_s = link, artifacts, steady_s
        self.push = Push()
        self._blocks: dict[str, list[bytes]] = {}

    def needed(self, need: Need, size_bytes: int | None) -> None:
        """`size_bytes` is how long the artifact is; None where nobody knows it."""
        if size_bytes is None:
            log.warning("event=unknown_artifact device=%s sha256=%s", need.device, need.sha256[:12])
            return
        try:
            missing = blocks.unpack(need.missing, blocks.count(size_bytes))
        except WireError as error:
            log.warning("event=bad_need device=%s reason=%r", need.device, str(error))
            return
        self.push.need(need.sha256, missing, self._steady_s())

    def go_on(self, lost: Callable[[Lost], None]) -> None:
        """Publish what may go out now."""
        now_s = self._steady_s()
        self.push.forget_old(now_s)
        for block in self.push.take(now_s):
            try:
                data = self._block(block)
            except ArtifactError as error:
                self.push.drop(block.sha256)
                lost(Lost(block.sha256, str(error)))
                return
            self.push.sent(self._link.publish(str(BlobTopic(block.sha256, block.index)), data))

    def _block(self, block: Block) -> bytes:
        if block.sha256 not in self._blocks:
            self._blocks = {block.sha256: blocks.cut(self._artifacts.read(block.sha256))}
        return self._blocks[block.sha256][block.index]
