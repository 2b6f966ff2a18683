from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worker.histogram import Histogram


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=300), st.floats(0.0, 1.0))
def test_a_quantile_is_off_by_half_a_bucket_at_most(latencies: list[float], share: float) -> None:
    histogram = Histogram()
    for each in latencies:
        histogram.add(each)
    rank = max(1, math.ceil(share * len(latencies)))
    assert histogram.quantile(share) == pytest.approx(sorted(latencies)[rank - 1], rel=0.00501)


def test_what_is_out_of_range_counts_at_its_ends_and_of_nothing_there_is_nothing() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.5) is None
    histogram.add(0.0)
    histogram.add(1e6)
    assert histogram.quantile(0.0) == pytest.approx(1e-6)
    assert histogram.quantile(1.0) == pytest.approx(1e3, rel=0.01)
