"""A device on a real ext4 image that may lose its power at any system call that changes the medium.

The real decisions, performer, slots and spool run in this process on a loop-mounted image; only the link and the
workers are stand-ins. At a cut the image file is copied as it is: what the file system had not yet written out is lost,
as with a medium that keeps no promise but that of fsync. The copy is mounted, booted and examined.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet import manifest_body

from agent.config import Config
from agent.perform import Hands, Performer
from agent.slots import Slots
from agent.spool import Spool
from agent.step import Effect, Event, Setup, State, events, step
from agent.wire import blocks
from agent.wire.messages import Assignment, Trial
from agent.wire.profile import parse_profile
from agent.wire.work import WindowLine, WorkerSpec

IMAGE_MIB = 8
CALLS = ("fsync", "fdatasync", "pwrite", "rename", "replace", "unlink", "posix_fallocate")
"""Of `os`: what the slots change the medium by. Each is a cut before and a cut after."""


class CutError(AssertionError):
    """A promise that a cut broke."""


class Link:
    """Up, and nobody at the other end."""

    def start(self, sink: Callable[[Any], None]) -> None: ...
    def stop(self) -> None: ...
    def drop(self) -> None: ...
    def acknowledge(self, tokens: Iterable[int]) -> None: ...
    def subscribe(self, filters: Iterable[str], *, anew: bool = False) -> None: ...
    def unsubscribe(self, filters: Iterable[str]) -> None: ...
    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        return 1


@dataclass
class Workers:
    """Passes every trial, and remembers what bytes it was given to run."""

    answer: Callable[[Event], None]
    ran: list[str] = field(default_factory=list)

    def start(self, worker: int, spec: WorkerSpec) -> None:
        found = hashlib.sha256(Path(spec.path).read_bytes()).hexdigest()
        if found != spec.sha256:
            raise CutError(f"unverified bytes would run: {found} for {spec.sha256}")
        self.ran.append(found)
        self.answer(events.TrialDone(now_s=0.0, worker=worker, trial=Trial(sha256=found, passed=True)))

    def go(self, worker: int) -> None: ...
    def stop(self, worker: int, now_s: float, within_s: float, *, at_once: bool = False) -> None: ...


class Device:
    """One boot on the state directory `state`."""

    def __init__(
        self,
        state: Path,
        boot: str,
        done: Callable[[Effect], None] = lambda _effect: None,
        link: Link | None = None,
        spool_limit: int = 1000,
    ) -> None:
        """`done` is called after each effect that was performed. A `link` of one's own is down at first."""
        self._done = done
        profile = "device: dev-1\n"
        config = Config(
            profile=parse_profile(profile), profile_text=profile, host="", port=1, state=state,
            trusted_key=b"",
        )  # fmt: skip
        self._answers: deque[Event] = deque()
        self.slots = Slots(state)
        self.workers = Workers(self._answers.append)
        self.spool = Spool(state / "spool.sqlite", spool_limit)
        setup = Setup(
            device="dev-1", boot=boot, agent_version="0", architecture="x",
            runtimes=("onnxruntime",), profile=profile,
        )  # fmt: skip
        self.state = State(setup=setup, record=self.slots.load())
        hands = Hands(
            config=config, boot=boot, link=link or Link(), slots=self.slots, spool=self.spool,
            workers=self.workers, answer=self._answers.append,  # type: ignore[arg-type]
        )  # fmt: skip
        self._performer = Performer(hands)
        self.feed(events.Started(now_s=0.0))
        if link is None:
            self.feed(events.LinkUp(now_s=0.0))

    def feed(self, event: Event) -> None:
        self._answers.append(event)
        while self._answers:
            self.state, effects = step(self.state, self._answers.popleft())
            for effect in effects:
                self._performer.perform(effect)
                self._done(effect)

    def install(self, wanted: Assignment, data: bytes) -> None:
        """The whole way of an assignment, blocks in an order of their own, and a window of service."""
        self.feed(events.DesiredArrived(now_s=0.0, assignment=wanted, wall_unix_s=0.0))
        body = manifest_body(data)
        self.feed(events.BlockArrived(now_s=0.0, sha256=wanted.manifest, block=0, data=body))
        for index, block in reversed(list(enumerate(blocks.cut(data)))):
            self.feed(events.BlockArrived(now_s=0.0, sha256=wanted.sha256, block=index, data=block))
        self.serve_a_window()

    def serve_a_window(self, now_s: float = 0.0) -> None:
        worker = self.state.active
        if worker is not None:
            line = WindowLine(duration_s=1.0, count=1, errors=0, busy_s=0.1, rss_bytes=1, ram_peak_bytes=1)
            self.feed(events.WindowClosed(now_s=now_s, worker=worker.id, line=line, wall_unix_s=now_s))

    def acknowledge(self, boot: str, seq: int) -> None:
        self.feed(events.AckArrived(now_s=0.0, boot=boot, seq=seq))

    def tick(self) -> None:
        self._performer.tick()

    def close(self) -> None:
        self.spool.close()


class PowerCuts:
    """Cuts at every `every`th chance; `examine` is called with each copy mounted."""

    def __init__(self, folder: Path, every: int, examine: Callable[[Path], None]) -> None:
        self._image, self._mounted = folder / "disk.img", folder / "disk"
        self._copy, self._examined = folder / "cut.img", folder / "cut"
        self._every, self._examine = every, examine
        self.chances = self.cuts = 0
        self.where: dict[str, int] = {}
        self._busy = False

    @property
    def state(self) -> Path:
        return self._mounted / "state"

    @contextmanager
    def powered(self) -> Iterator[Path]:
        """The image mounted, with a chance of a cut around every call of `CALLS`."""
        self._image.write_bytes(bytes(IMAGE_MIB * 2**20))
        _run("mkfs.ext4", "-q", str(self._image))
        originals = {name: getattr(os, name) for name in CALLS}
        with _mounted(self._image, self._mounted):
            self.state.mkdir()
            for name, call in originals.items():
                setattr(os, name, self._with_cuts(name, call))
            try:
                yield self.state
            finally:
                for name, call in originals.items():
                    setattr(os, name, call)

    def chance(self, where: str) -> None:
        if self._busy:
            return
        self.chances += 1
        if self.chances % self._every:
            return
        self._busy = True
        try:
            shutil.copyfile(self._image, self._copy)
            self.cuts += 1
            self.where[where] = self.where.get(where, 0) + 1
            with _mounted(self._copy, self._examined):
                self._examine(self._examined / "state")
        finally:
            self._busy = False

    def _with_cuts(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def around(*args: Any, **kwargs: Any) -> Any:
            self.chance(f"before {name}")
            try:
                return call(*args, **kwargs)
            finally:
                self.chance(f"after {name}")

        return around


@contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield
    finally:
        if subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode:
            _run("umount", "-l", str(folder))  # a test that failed has left files open


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether this process may make and mount an image: root, with loop devices."""
    image = folder / "try.img"
    image.write_bytes(bytes(IMAGE_MIB * 2**20))
    try:
        _run("mkfs.ext4", "-q", str(image))
        with _mounted(image, folder / "try"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
