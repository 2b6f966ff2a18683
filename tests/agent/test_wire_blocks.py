from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import blocks
from agent.wire.errors import WireError


@given(st.binary(max_size=500), st.integers(1, 64))
def test_blocks_put_together_are_the_artifact(data: bytes, block_bytes: int) -> None:
    cut = blocks.cut(data, block_bytes)
    assert b"".join(cut) == data
    assert len(cut) == blocks.count(len(data), block_bytes)
    assert [blocks.digest(each) for each in cut] == blocks.digests(data, block_bytes)


@given(st.integers(0, 300).flatmap(lambda total: st.tuples(st.just(total), st.sets(st.integers(0, max(0, total - 1))))))
def test_a_bitmap_says_what_was_put_in(case: tuple[int, set[int]]) -> None:
    total, indices = case
    indices = {each for each in indices if each < total}
    assert blocks.unpack(blocks.pack(indices, total), total) == sorted(indices)


@pytest.mark.parametrize("bitmap", ["?", "AAA", base64.b64encode(b"\0\0\0").decode(), ""])
def test_a_bitmap_of_another_size_or_alphabet_is_refused(bitmap: str) -> None:
    with pytest.raises(WireError, match="block bitmap"):
        blocks.unpack(bitmap, 9)


def test_bits_beyond_the_last_block_are_not_there() -> None:
    assert blocks.unpack(base64.b64encode(b"\xff").decode(), 3) == [0, 1, 2]
