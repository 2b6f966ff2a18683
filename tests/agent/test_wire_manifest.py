"""What an artifact is checked by, and how small what is signed stays."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from fleet import KEY, artifact, assignment, assignment_of_0_1, manifest, manifest_body, sha256
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import blocks
from agent.wire.errors import WireError
from agent.wire.manifest import (
    DIGEST_BYTES,
    Golden,
    encode_manifest,
    inline_manifest,
    make_manifest,
    manifest_for,
    read_manifest,
)
from agent.wire.messages import WIRE, Assignment, decode_as, encode, read_assignment
from agent.wire.profile import Runtime
from agent.wire.signing import sign
from agent.wire.work import GOLDEN_SAMPLES, GOLDEN_VALUES

A, B = artifact(1), artifact(2)
ENVELOPE_BYTES = 1500

wholes = st.integers(0, 2**63 - 1)
figures = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | figures


@given(
    device=st.text("a-9", min_size=64, max_size=64),
    model=st.just("n" * 63 + "@" + "v" * 32),
    epoch=wholes,
    seq=wholes,
    size_bytes=wholes,
    manifest_bytes=wholes,
    ram_total_bytes=st.none() | wholes,
    ram_model_bytes=st.none() | wholes,
    latency_p95_ms=maybe,
    rate_hz=figures,
    power_idle_watts=maybe,
    power_busy_watts=maybe,
    runtime=st.sampled_from(Runtime),
    issued_unix_s=maybe,
    expires_unix_s=maybe,
)
def test_what_is_signed_stays_small_whatever_it_says(**fields: object) -> None:
    wanted = Assignment(
        wire=WIRE, sha256="f" * 64, manifest="f" * 64, block_bytes=blocks.BLOCK_BYTES, blocks=[],
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    assert len(sign(wanted, KEY)) <= ENVELOPE_BYTES
    assert read_assignment(encode(wanted)) == wanted


def test_the_worst_of_figures_stays_small() -> None:
    odd = -2.2250738585072014e-308
    worst = assignment(
        A, 2**63 - 1, device="a" * 64, model="n" * 63 + "@" + "v" * 32, epoch=2**63 - 1, size_bytes=2**63 - 1,
        manifest_bytes=2**63 - 1, ram_total_bytes=2**63 - 1, ram_model_bytes=2**63 - 1, latency_p95_ms=odd, rate_hz=odd,
        power_idle_watts=odd, power_busy_watts=odd, runtime=max(Runtime, key=len), issued_unix_s=odd,
        expires_unix_s=odd,
    )  # fmt: skip
    assert len(sign(worst, KEY)) <= ENVELOPE_BYTES


def test_a_manifest_takes_one_block_for_most_artifacts() -> None:
    golden = Golden(outputs=[[1 / 3] * GOLDEN_VALUES] * GOLDEN_SAMPLES)
    body = encode_manifest(make_manifest(bytes(17_000_000), golden))
    assert len(body) < 12_000
    assert len(body) < blocks.BLOCK_BYTES


@given(st.binary(min_size=1, max_size=5 * blocks.BLOCK_BYTES), st.lists(st.lists(figures)))
def test_a_manifest_is_read_back_and_knows_each_block(data: bytes, outputs: list[list[float]]) -> None:
    made = make_manifest(data, Golden(seed=3, outputs=outputs))
    read = read_manifest(encode_manifest(made))
    assert read == made
    cut = blocks.cut(data)
    assert (read.total, read.sha256, read.size_bytes) == (len(cut), sha256(data), len(data))
    assert all(read.is_block(index, block) for index, block in enumerate(cut))
    assert not any(read.is_block(index, block + b"!") for index, block in enumerate(cut))
    assert not read.is_block(len(cut), b"")


@given(st.binary(max_size=200))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        read_manifest(data)


@given(st.integers(0, len(manifest_body(A)) - 1))
def test_a_torn_one_is_refused(length: int) -> None:
    with pytest.raises(WireError):
        read_manifest(manifest_body(A)[:length])


@pytest.mark.parametrize(
    "changes",
    [
        {"size_bytes": 0, "blocks": b""},
        {"block_bytes": 0},
        {"block_bytes": 2**40},
        {"blocks": b""},
        {"blocks": manifest(A).blocks[:-1]},
        {"blocks": manifest(A).blocks + bytes(DIGEST_BYTES)},
    ],
)
def test_one_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(WireError, match="manifest: "):
        read_manifest(encode_manifest(msgspec.structs.replace(manifest(A), **changes)))


def test_one_of_another_artifact_is_refused() -> None:
    assert manifest_for(assignment(A, 1), manifest_body(A)) == manifest(A)
    for other in (assignment(B, 1), assignment(A, 1, size_bytes=7)):
        with pytest.raises(WireError, match="with the digest"):
            manifest_for(other, manifest_body(A))


# --- wire 1 ----------------------------------------------------------------------------------------------------------


def test_what_wire_1_said_in_the_assignment_is_a_manifest_too() -> None:
    old = assignment_of_0_1(A, 1, golden_outputs=[[1.0]], golden_seed=5, golden_tolerance=0.1)
    assert read_assignment(encode(old)) == old
    assert inline_manifest(old) == make_manifest(A, Golden(seed=5, outputs=[[1.0]], tolerance=0.1))
    for wrong in (["x"], ["ab"], []):
        with pytest.raises(WireError):
            inline_manifest(msgspec.structs.replace(old, blocks=wrong))


class AssignmentOf01(msgspec.Struct, frozen=True, kw_only=True):
    """As release 0.1 reads it, byte by byte what it demands."""

    device: str
    epoch: int
    seq: int
    model: str
    sha256: str
    size_bytes: int
    block_bytes: int
    blocks: list[str]
    rate_hz: float = 1.0
    runtime: str = "onnxruntime"


def test_release_0_1_reads_ours_as_one_without_blocks_and_can_read_our_record() -> None:
    """So that it reports a refusal, and an agent that was put back to it starts."""
    read = decode_as(AssignmentOf01, encode(assignment(A, 1)))  # type: ignore[type-var]
    assert (read.sha256, read.block_bytes, read.blocks) == (sha256(A), blocks.BLOCK_BYTES, [])


@given(st.integers(0, 99), st.dictionaries(st.text(), st.text() | wholes))
def test_of_a_wire_that_is_not_known_only_whose_it_is_is_read(wire: int, more: dict[str, object]) -> None:
    fields = {**more, "device": "dev-1", "epoch": 2, "seq": 9, "wire": wire}
    with suppress(WireError):
        read = read_assignment(msgspec.json.encode(fields))
        assert (read.device, read.wire, read.epoch, read.seq) == ("dev-1", wire, 2, 9)
        assert read.sha256 == ""
    if wire not in (1, WIRE):
        read_assignment(msgspec.json.encode(fields))
