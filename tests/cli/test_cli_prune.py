"""`controller prune`: wrong usage first, then what is asked for, followed, printed, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import Result

from controller.cli.follow import follow
from controller.cli.prune import with_share
from controller.client import Client
from controller.core.intents import AskJob
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Prune, Unstructured
from tests.cli.conftest import ends, meanwhile, moves
from tests.real import DENSE, SHA, RealController

Run = Callable[..., Result]
CAPS = Caps(ram_bytes=6 * 2**20, storage_bytes=2**20, latency_s=0.004)
ASKED = ("prune", "fall", "--latency", "4ms", "--ram", "6MiB", "--storage", "1 MiB")


def variant(sha256: str, **fields: Any) -> Variant:
    known: dict[str, Any] = {
        "size_bytes": 900_000, "precision": Precision.INT8, "ram_bytes": 3 * 2**20, "ram_base_bytes": 50 * 2**20,
        "latency_p50_s": 0.003,
        "latency_p95_s": 0.0034, "parameters": 10_000, "accuracy": 0.942, "accuracy_low": 0.929, "accuracy_high": 0.953,
        "drop": 0.004, "drop_low": -0.002, "drop_high": 0.01,
    }  # fmt: skip
    return Variant(sha256=sha256, model="fall@1", **{**known, **fields})


@pytest.fixture
def shop(controller: RealController) -> RealController:
    large = {"ram_bytes": 8 * 2**20, "size_bytes": 4 * 2**20, "latency_p95_s": 0.01}
    controller.add("fall", dense=variant(DENSE, precision=Precision.FP32, dense=True, **large))
    controller.put(lambda tx: tx.put_variant(variant(SHA)))
    return controller


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "at least one of --latency, --ram and --storage"),
        (("--latency", "4"), "--latency: '4' is not a number of seconds"),
        (("--ram", "much"), "--ram: 'much'"),
        (("--storage", "4 ms"), "--storage: '4 ms'"),
        (("--unstructured", "--ram", "6MiB"), "or --unstructured"),
        (("--unstructured", "1 apple"), "--unstructured: '1 apple'"),
        (("--latency", "4ms", "--refine", "10"), "--refine: '10' is not a number of seconds"),
        (("--unstructured", "--refine", "10min"), "--unstructured makes none"),
    ],
)
def test_wrong_usage_exits_2_and_asks_for_nothing(
    run: Run, shop: RealController, arguments: tuple[str, ...], words: str
) -> None:
    result = run("prune", "fall", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert shop.asked == []


def test_an_unknown_model_exits_1(run: Run, shop: RealController) -> None:
    result = run("prune", "nobody", "--latency", "4ms")
    assert (result.exit_code, result.stderr) == (1, "error: there is no model 'nobody'\n")


def test_it_is_followed_on_stderr_and_the_variant_is_printed(run: Run, shop: RealController) -> None:
    done = {"variant": variant(SHA), "binding": Constraint.DEADLINE, "detail": "uses 86 % of the cap"}
    steps = moves(shop, 0.4, "recovering, 20 s left"), ends(shop, state=JobState.DONE, **done)
    thread = meanwhile(shop, *steps)
    result = run(*ASKED)
    thread.join()
    assert result.exit_code == 0, result.stderr
    assert shop.asked == [AskJob("fall@1", Prune(CAPS))]
    assert "running 40% recovering, 20 s left" in result.stderr
    lines = result.stdout.splitlines()
    assert "accuracy: 94.2 % (92.9 to 95.3)" in lines
    assert "points below dense: 0.4 (-0.2 to 1.0)" in lines
    assert f"sha256: {SHA}" in lines
    assert f"file: {shop.artifacts.path(SHA)}" in lines
    table = {line.split("  ")[0].strip(): line.split() for line in lines[-4:]}
    assert table["latency p95"][2:] == ["3.40", "ms", "4", "ms", "85", "%"]
    assert table["RAM"][1:] == ["3", "MiB", "6", "MiB", "50", "%"]
    assert table["bytes"][-2:] == ["86", "%"]
    assert table["latency p50"][-2:] == ["-", "-"]


def test_the_same_caps_have_their_answer_at_once(run: Run, shop: RealController) -> None:
    assert run(*ASKED, "--no-wait").exit_code == 0
    shop.end(shop.at_work, state=JobState.DONE, variant=variant(SHA))
    result = run(*ASKED, "-o", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    job = json.loads(result.stdout)
    assert (job["made"]["sha256"], job["ram_use_share"]) == (SHA, 0.5)


def test_how_it_goes_with_making_it_better_is_told_with_the_answer(run: Run, shop: RealController) -> None:
    run(*ASKED, "--no-wait", "--refine", "10min")
    assert shop.asked == [AskJob("fall@1", Prune(CAPS, budget_s=600.0))]
    shop.end(shop.at_work, state=JobState.DONE, variant=variant(SHA))
    refine = shop.at_work
    shop.move(refine, 0.4, "recovering")
    assert "refine: running, 10 min in all: 40% recovering\n" in run(*ASKED).stdout
    assert run("prune", "fall", "--latency", "9ms", "--no-wait").exit_code == 0
    assert "refine: stopping, 10 min in all: 40% recovering\n" in run(*ASKED).stdout
    shop.end(refine, state=JobState.DONE, variant=variant("ef" * 32))
    assert "refine: done, 10 min in all, variant efefefefefef\n" in run(*ASKED).stdout


def test_what_is_being_stopped_is_still_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """A refine has an id as any job; it is over when it says so."""
    rows = [
        {"id": "r", "kind": "refine", "model": "fall@1", "detail": "", "state": state} for state in ("queued", "done")
    ]
    first = {**rows[0], "state": "stopping", "detail": "40% recovering"}
    assert follow(Told(rows), first, "") == rows[-1]
    assert capsys.readouterr().err == "job r: stopping 40% recovering\njob r: queued\n"


class Told(Client):
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._left = rows[:]

    def job(self, job: str) -> dict[str, Any]:
        return self._left.pop(0)


def test_without_waiting_the_job_is_named(run: Run, shop: RealController) -> None:
    result = run(*ASKED, "--no-wait")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "state: running" in result.stdout
    assert "model: fall@1" in result.stdout


def test_what_is_infeasible_exits_1_with_the_closest_and_what_would_do(run: Run, shop: RealController) -> None:
    asked = ("prune", "fall", "--latency", "3ms", "--ram", "1MiB")
    run(*asked, "--no-wait")
    refused = {"binding": Constraint.RAM_MODEL, "detail": "the smallest structure exceeds them"}
    shop.end(shop.at_work, state=JobState.INFEASIBLE, **refused)
    result = run(*asked)
    assert result.exit_code == 1
    assert result.stderr == "error: nothing of fall@1 fits under these caps\n"
    for words in (
        "binding: ram.model", "the smallest structure exceeds them", f"closest: {SHA[:12]}", "300 %",
        "would do:", "  - 2.01 MiB more RAM and a latency of 3.42 ms",
    ):  # fmt: skip
        assert words in result.stdout
    assert "file:" not in result.stdout
    answer = run(*asked, "-o", "json")
    assert (answer.exit_code, json.loads(answer.stdout)["state"]) == (1, "infeasible")


def test_a_failure_exits_1_and_only_again_tries_once_more(run: Run, shop: RealController) -> None:
    run(*ASKED, "--no-wait")
    shop.end(shop.at_work, state=JobState.FAILED, detail="factory: no such layer")
    for _ in range(2):
        result = run(*ASKED)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.endswith("failed: factory: no such layer; --again tries it once more\n")
    assert "state: running" in run(*ASKED, "--no-wait", "--again").stdout


def test_a_report_on_unstructured_sparsity_is_a_table_and_a_sentence(run: Run, shop: RealController) -> None:
    side = SparseSide(
        zeros_share=0.0, size_bytes=4 * 2**20, transfer_bytes=3 * 2**20, latency_p50_s=0.004, latency_p95_s=0.005,
        ram_bytes=8 * 2**20, accuracy=0.95, accuracy_low=0.94, accuracy_high=0.96,
    )  # fmt: skip
    report = SparsityReport(
        share=0.8,
        dense=side,
        sparse=replace(side, zeros_share=0.8, transfer_bytes=2**20, accuracy=0.94),
        compression="deflate",
    )
    run("prune", "fall", "--unstructured", "--no-wait")
    assert shop.asked == [AskJob("fall@1", Unstructured(0.8))]
    shop.end(shop.at_work, state=JobState.DONE, report=report)
    result = run("prune", "fall", "--unstructured", "80 %")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "to transfer (deflate)  3 MiB" in result.stdout
    assert "80 % zeros save 66.7 % of the bytes to transfer" in result.stdout
    assert json.loads(run("prune", "fall", "--unstructured", "-o", "json").stdout)["report"]["share"] == 0.8


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["m", "--unstructured"], ["m", "--unstructured", "80%"]),
        (["--unstructured", "m"], ["--unstructured", "80%", "m"]),
        (["m", "--unstructured", "90%"], ["m", "--unstructured", "90%"]),
        (["m", "--unstructured", ".9", "--again"], ["m", "--unstructured", ".9", "--again"]),
        (["m", "--unstructured", "-o", "json"], ["m", "--unstructured", "80%", "-o", "json"]),
        (["m", "--ram", "1MiB"], ["m", "--ram", "1MiB"]),
    ],
)
def test_the_share_may_be_left_out(given: list[str], expected: list[str]) -> None:
    assert with_share(given) == expected


def test_a_fleets_job_is_no_hurdle(run: Run, shop: RealController) -> None:
    """Its caps may be the same; then it is the same job."""
    fleets = Job(id="fleet", model="fall@1", work=Prune(Caps(ram_bytes=5)), state=JobState.RUNNING)
    shop.put(lambda tx: tx.put_job(fleets))
    assert "state: queued" in run(*ASKED, "--no-wait").stdout
