"""The bytes of artifacts on their way to devices: read from disk, cut in blocks, published at `Push`'s pace."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from agent.link import Link
from agent.wire import blocks
from agent.wire.errors import WireError
from agent.wire.messages import Need
from agent.wire.topics import BlobTopic
from controller.loop.blobs import Blobs
from controller.loop.facts import Lost
from controller.loop.push import Push
from controller.store.errors import ArtifactError

log = logging.getLogger("hedgerow.broadcast")


class Broadcast:
    """`lost` hears of an artifact whose bytes are gone."""

    def __init__(self, link: Link, blobs: Blobs, steady_s: Callable[[], float]) -> None:
        self._link, self._blobs, self._steady_s = link, blobs, steady_s
        self.push = Push()

    def needed(self, need: Need, size_bytes: int | None) -> None:
        """`size_bytes` is how long the artifact or manifest is; None where it is not to be had."""
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
                data = self._blobs.read(block)
            except ArtifactError as error:
                self.push.drop(block.sha256)
                lost(Lost(block.sha256, str(error)))
                return
            except SQLAlchemyError as error:  # who needs the block asks again
                log.error("event=database_error reason=%r", str(error))
                return
            self.push.sent(self._link.publish(str(BlobTopic(block.sha256, block.index)), data))
