from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.simulate.memory import matches
from agent.wire import topics
from agent.wire.errors import WireError
from agent.wire.topics import BlobTopic, DeviceTopic, Leaf

DEVICES = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
DIGESTS = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)


@given(DEVICES, st.sampled_from(list(Leaf)))
def test_a_device_topic_is_read_back(device: str, leaf: Leaf) -> None:
    assert topics.parse(topics.topic(device, leaf)) == DeviceTopic(device, leaf)


@given(DIGESTS, st.integers(0, 10**6))
def test_a_blob_topic_is_read_back_and_matches_its_filter(sha256: str, block: int) -> None:
    topic = BlobTopic(sha256, block)
    assert topics.parse(str(topic)) == topic
    assert matches(topics.blob_filter(sha256), str(topic))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for each in (text, f"{topics.ROOT}/{text}", f"{topics.ROOT}/_blob/{text}"):
        with suppress(WireError):
            topics.parse(each)


@pytest.mark.parametrize(
    "text",
    [
        "hedgerow/v1/dev-1",
        "hedgerow/v1/dev-1/nothing",
        "hedgerow/v1/Dev/status",
        "hedgerow/v1/dev/status/more",
        "hedgerow/v2/dev/status",
        f"hedgerow/v1/_blob/{'a' * 63}/0",
        f"hedgerow/v1/_blob/{'a' * 64}/-1",
        f"hedgerow/v1/_blob/{'a' * 64}/{'9' * 10}",
        f"hedgerow/v1/_blob/{'a' * 64}",
        "",
    ],
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        topics.parse(text)


def test_the_filters_of_both_sides_meet() -> None:
    for leaf in topics.FROM_DEVICE:
        assert any(matches(each, topics.topic("a", leaf)) for each in topics.controller_filters())
    for leaf in topics.FROM_CONTROLLER:
        assert topics.topic("a", leaf) in topics.device_filters("a")


@pytest.mark.parametrize("text", ["", "A", "a b", "ä", "a" * 65, "_blob", "a/b", "+"])
def test_a_device_id_is_small(text: str) -> None:
    with pytest.raises(WireError, match="are allowed"):
        topics.device_id(text)
