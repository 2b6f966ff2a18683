"""The sentence on unstructured sparsity says what the figures say, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from controller.core.nouns.sparsity import SparseSide, SparsityReport

DENSE = SparseSide(
    zeros_share=0.0, size_bytes=1000, transfer_bytes=900, latency_p50_s=0.004, latency_p95_s=0.005, ram_bytes=5_000_000,
    accuracy=0.95,
)  # fmt: skip
SPARSE = replace(DENSE, zeros_share=0.8, transfer_bytes=300, accuracy=0.94)


def told(**fields: object) -> str:
    return SparsityReport(share=0.8, dense=DENSE, sparse=replace(SPARSE, **fields)).conclusion  # type: ignore[arg-type]


def test_zeros_in_dense_tensors_save_only_the_transfer() -> None:
    assert told() == (
        "80 % zeros save 66.7 % of the bytes to transfer; "
        "bytes on the device, latency, RAM stay as of the dense model; accuracy loses 1.0 points"
    )


def test_a_difference_within_the_noise_is_none_and_one_beyond_it_is_told() -> None:
    assert "latency, RAM stay" in told(latency_p50_s=0.0041)
    assert "they raise latency by 25 %" in told(latency_p50_s=0.005)
    assert "RAM stays as" in told(latency_p50_s=0.002, size_bytes=500)
    assert "they raise RAM by 10 %" in told(ram_bytes=5_500_000)


def test_some_pages_of_a_small_model_are_no_difference() -> None:
    small = SparsityReport(
        share=0.8, dense=replace(DENSE, ram_bytes=700_000), sparse=replace(SPARSE, ram_bytes=750_000)
    )
    assert "latency, RAM stay" in small.conclusion


def test_what_saves_nothing_or_was_not_judged_is_told_as_that() -> None:
    assert told(transfer_bytes=900).startswith("80 % zeros save nothing; ")
    assert told(accuracy=None).endswith("accuracy is unverified")
    assert told(accuracy=0.96).endswith("accuracy gains 1.0 points")
