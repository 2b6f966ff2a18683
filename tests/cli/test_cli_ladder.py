"""`controller model ladder`: the table, building and going on with it, and the picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from controller.cli.plot import Plot
from controller.client import ClientError
from controller.core.intents import AskJob
from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision
from controller.core.nouns.work import Ladder
from tests.cli.conftest import ends, meanwhile, moves
from tests.cli.test_cli_prune import variant
from tests.real import DENSE, SHA, RealController

Run = Callable[..., Result]
PNG = b"\x89PNG\r\n"
POINT = {
    "series": "other L1", "speedup": 2.0, "latency_s": 0.002, "bytes": 9000, "ram_bytes": None, "accuracy": 0.9,
    "accuracy_low": 0.89, "accuracy_high": 0.91,
}  # fmt: skip


@pytest.fixture
def shop(controller: RealController) -> RealController:
    dense = {"precision": Precision.FP32, "drop": None, "drop_low": None, "drop_high": None, "accuracy_high": 0.96}
    slow = variant(DENSE, **dense, dense=True, size_bytes=4 * 2**20, latency_p50_s=0.009, accuracy=0.95)
    controller.add("fall", dense=slow)
    controller.put(lambda tx: tx.put_variant(variant(SHA)))
    controller.put(lambda tx: tx.put_variant(variant("ef" * 32, size_bytes=950_000, latency_p50_s=0.0031)))
    return controller


def test_an_unknown_model_exits_1(run: Run) -> None:
    for more in ((), ("--build",)):
        result = run("model", "ladder", "nobody", *more)
        assert (result.exit_code, result.stderr) == (1, "error: there is no model 'nobody'\n")


def test_the_rungs_as_a_table_and_as_json(run: Run, shop: RealController) -> None:
    result = run("model", "ladder", "fall")
    assert result.exit_code == 0, result.stderr
    header, dense, rung = result.stdout.splitlines()
    assert header.split()[:4] == ["RUNG", "VARIANT", "PRECISION", "ACCURACY"]
    assert dense.split()[:3] == ["0", DENSE[:12], "fp32"]
    for words in ("int8", "94.2 % (92.9 to 95.3)", "0.4 (-0.2 to 1.0)", "3.00x", "3 MiB", "78.5 %"):
        assert words in rung
    assert result.stderr == "2 of 3 variants; the others are better in nothing that the measurements tell apart\n"
    rows = json.loads(run("model", "ladder", "fall@1", "-o", "json").stdout)
    assert [row["rung"] for row in rows] == [0, 1]
    assert shop.asked == [], "showing asks for nothing"


def test_building_is_followed_and_then_shown(run: Run, shop: RealController) -> None:
    thread = meanwhile(shop, moves(shop, 0.3, "rung 2 of 4, 3 min left"), ends(shop, state=JobState.DONE))
    result = run("model", "ladder", "fall", "--build", "--rungs", "4")
    thread.join()
    assert result.exit_code == 0, result.stderr
    assert shop.asked == [AskJob("fall@1", Ladder(4), again=True)]
    assert "30% rung 2 of 4, 3 min left" in result.stderr
    assert SHA[:12] in result.stdout


def test_a_build_that_failed_says_why_and_is_gone_on_with_when_asked_again(run: Run, shop: RealController) -> None:
    thread = meanwhile(shop, ends(shop, state=JobState.FAILED, detail="no space left on device"))
    result = run("model", "ladder", "fall", "--build")
    thread.join()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no space left on device; ask again to go on" in result.stderr
    thread = meanwhile(shop, ends(shop, state=JobState.DONE))
    assert run("model", "ladder", "fall", "--build").exit_code == 0
    thread.join()


def test_a_model_without_variants_has_no_rungs(run: Run, controller: RealController) -> None:
    controller.add("fall")
    result = run("model", "ladder", "fall")
    assert (result.exit_code, result.stderr[:18]) == (0, "0 of 0 variants; t")


def test_the_picture_is_a_png_with_and_without_peers(run: Run, shop: RealController, tmp_path: Path) -> None:
    peers = tmp_path / "prune.json"
    peers.write_text(json.dumps({"networks": {"fall": {"points": [POINT, {**POINT, "ram_bytes": 5}]}}}))
    for more in ((), ("--peers", str(peers))):
        file = tmp_path / f"ladder{len(more)}.png"
        result = run("model", "ladder", "fall", "--plot", str(file), *more)
        assert result.exit_code == 0, result.stderr
        assert file.read_bytes().startswith(PNG)
        assert f"drawn into {file}" in result.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no benchmark that can be read"),
        ("{", "no benchmark that can be read"),
        ("[]", "no benchmark that can be read"),
        ('{"networks": {"other": {"points": []}}}', "has no points of 'fall'; it has other"),
        ('{"networks": {}}', "it has none"),
        ('{"networks": {"fall": {}}}', "no benchmark"),
    ],
)
def test_peers_that_cannot_be_drawn_are_refused_before_anything_is_built(
    run: Run, shop: RealController, tmp_path: Path, content: str | None, words: str
) -> None:
    peers = tmp_path / "prune.json"
    if content is not None:
        peers.write_text(content)
    result = run("model", "ladder", "fall", "--build", "--plot", str(tmp_path / "l.png"), "--peers", str(peers))
    assert result.exit_code == 2
    assert words in result.stderr
    assert shop.asked == []


def test_a_place_that_cannot_be_drawn_into_is_refused_first(run: Run, shop: RealController, tmp_path: Path) -> None:
    result = run("model", "ladder", "fall", "--build", "--plot", str(tmp_path / "none" / "l.png"))
    assert (result.exit_code, shop.asked) == (2, [])
    assert run("model", "ladder", "fall", "--peers", "x.json").exit_code == 2


def test_without_matplotlib_it_says_what_brings_it(
    run: Run, shop: RealController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("model", "ladder", "fall", "--build", "--plot", "l.png")
    assert (result.exit_code, shop.asked) == (1, [])
    assert "pip install 'hedgerow[plot]'" in result.stderr


def test_unverified_accuracy_is_not_drawn(tmp_path: Path) -> None:
    row: dict[str, Any] = {"accuracy": None, "precision": Precision.FP32, "dense": True}
    with pytest.raises(ClientError, match="no verified accuracy"):
        Plot("fall", tmp_path / "l.png").draw([row])
