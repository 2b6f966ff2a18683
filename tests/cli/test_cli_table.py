"""Tables in any width: what stays, what leaves, what goes below, and that no line is padded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from agent.wire.messages import Window
from controller.cli import device, incident, ladder, model, prune, rollout, telemetry
from controller.cli.output import cell
from controller.cli.table import BELOW, STAYS, Column, lay_out
from controller.core.intents import RegisterDevice
from tests.cli.test_cli_commands import variant
from tests.real import DENSE, RealController

Run = Callable[..., Result]
TABLES = (
    device._COLUMNS, incident._COLUMNS, ladder._RUNGS, model._COLUMNS, model._VARIANTS, model._PLAN, prune._COSTS,
    prune._SIDES, rollout._COLUMNS, rollout._DEVICES, telemetry._COLUMNS,
)  # fmt: skip
COLUMNS = (Column("ID", "id"), Column("STATE", "state", 2), Column("RAM", "ram", 1), Column("WHY", "why", BELOW))
ROW = ("camera-in-the-yard", "accepted", "96 MiB", "idle draw alone is too hot; or a fan")


def test_all_fits_where_there_is_room() -> None:
    table = lay_out(COLUMNS, [ROW], 80)
    assert table.left_out == []
    assert table.lines == [
        "ID                  STATE     RAM     WHY",
        "camera-in-the-yard  accepted  96 MiB  idle draw alone is too hot; or a fan",
    ]


def test_long_texts_go_below_their_row_before_any_column_leaves() -> None:
    table = lay_out(COLUMNS, [ROW, ("cam", "accepted", "-", "-")], 36)
    assert (table.left_out, table.width) == ([], 36)
    assert table.lines == [
        "ID                  STATE     RAM",
        "camera-in-the-yard  accepted  96 MiB",
        "  why: idle draw alone is too hot;",
        "    or a fan",
        "cam                 accepted  -",
    ]


@pytest.mark.parametrize(
    ("width", "left_out", "heading"),
    [(35, ["RAM"], "ID                  STATE"), (27, ["STATE", "RAM"], "ID"), (5, ["STATE", "RAM"], "ID")],
)
def test_columns_leave_in_order_of_weight_and_ids_stay_whole(width: int, left_out: list[str], heading: str) -> None:
    table = lay_out(COLUMNS, [ROW], width)
    assert (table.left_out, table.width, table.lines[0]) == (left_out, 36, heading)
    assert table.lines[1].split()[0] == ROW[0]


def test_a_column_that_says_nothing_leaves_first() -> None:
    table = lay_out(COLUMNS, [("camera-in-the-yard", "-", "96 MiB", "-")], 30)
    assert table.left_out == ["STATE"]


def test_a_label_wraps_where_no_column_may_leave() -> None:
    columns = (Column("", "figure", wraps=True), Column("DENSE", "dense"))
    table = lay_out(columns, [("to transfer (the smaller of zlib and lzma)", "83 KiB")], 30)
    assert table.lines == [
        "                        DENSE",
        "to transfer (the        83 KiB",
        "smaller of zlib and",
        "lzma)",
    ]


def test_letters_that_take_two_places_or_none_are_in_line() -> None:
    columns, accented = (Column("A", "a"), Column("B", "b")), "e\N{COMBINING ACUTE ACCENT}"
    lines = lay_out(columns, [("東京", "x"), ("abcd", "y"), (accented, "z")], 80).lines
    assert lines == ["A     B", "東京  x", "abcd  y", f"{accented}     z"]


_CELL = st.text(st.sampled_from("abc -,"), max_size=40).map(lambda text: " ".join(text.split()) or "-")


@given(st.data(), st.sampled_from(TABLES), st.integers(1, 250))
def test_no_line_is_padded_no_id_is_cut_and_what_can_fit_fits(
    data: st.DataObject, columns: tuple[Column, ...], width: int
) -> None:
    rows = data.draw(st.lists(st.tuples(*[_CELL] * len(columns)), max_size=4))
    table = lay_out(columns, rows, width)
    text = "\n".join(table.lines)
    assert all(line == line.rstrip() for line in table.lines)
    stays = [at for at, column in enumerate(columns) if column.weight == STAYS]
    for row in rows:
        assert all(row[at] in text or columns[at].wraps for at in stays)
    least = sum(max(len(columns[at].heading), *(len(row[at]) for row in rows), 0) + 2 for at in stays)
    longest_word = max((len(word) for row in rows for cell in row for word in cell.split()), default=0) + 12
    assert all(len(line) <= max(width, least, 24, longest_word) for line in table.lines)
    assert {"WHY", "REASON", "OUTCOME", "DIAGNOSIS"}.isdisjoint(table.left_out)


@pytest.mark.parametrize("columns", TABLES)
def test_each_table_has_an_id_that_stays_and_headings_that_differ(columns: tuple[Column, ...]) -> None:
    assert columns[0].weight == STAYS
    assert len({column.heading for column in columns}) == len(columns)


CAMERA = "device: camera-north-01\nclass: camera\nlabels: {site: north}\nmemory: {total: 96 MiB}\n"
CASE = """
device: pi-4-in-a-closed-case
class: camera
labels: {site: north}
memory: {total: 96 MiB}
power: {idle: 3 W, busy: 6 W}
thermal: {limit: 80 C, ambient: 63.4 C, resistance: 10 C/W}
"""


@pytest.fixture
def fleet(controller: RealController) -> RealController:
    for profile in (CAMERA, CASE):
        controller.ask(RegisterDevice(profile))
    controller.add("fall", dense=variant(DENSE, dense=True))
    return controller


@pytest.mark.parametrize("columns", [None, 80, 40])
def test_a_plan_and_a_list_can_be_read_in_a_pipe_and_on_a_phone(
    run: Run, fleet: RealController, columns: int | None
) -> None:
    for arguments in (("plan", "fall"), ("device", "list")):
        result = run(*arguments, columns=columns)
        assert max(map(len, result.stdout.splitlines())) <= (columns or 80)
        assert "camera-north-01" in result.stdout or arguments[0] == "plan"
        assert "pi-4-in-a-closed-case" in result.stdout
        assert result.stderr.startswith(f"left out at {columns or 80} columns: ")
        assert "-o json" in result.stderr
    plan = " ".join(run("plan", "fall", columns=columns).stdout.split())
    assert "why: idle draw alone (3 W) settles at 93.4 C in 63.4 C surroundings" in plan
    assert "or surroundings below 50.0 C instead of 63.4 C; or an idle draw below 1.65 W" in plan


def test_a_figure_that_cannot_be_does_not_fill_the_page(run: Run, fleet: RealController) -> None:
    window = Window(seq=1, duration_s=5, count=2**63 - 1, latency_p95_ms=1e300, power_watts=1e300, rss_bytes=2**62)
    fleet.put(lambda tx: tx.add_windows("camera-north-01", "b1", 1.0, [window]))
    shown = run("telemetry", "camera-north-01").stdout
    assert max(map(len, shown.splitlines())) < 180
    for words in ("9.22337e+18", "1e+300 W"):
        assert words in shown
    assert cell("parameters", 1_234_567) == "1234567"


def test_a_selector_that_means_nobody_says_so(run: Run, fleet: RealController) -> None:
    result = run("plan", "fall", "-l", "country=NO")
    assert (result.exit_code, result.stderr) == (0, "no device matches 'country=NO'\n")
    started = run("rollout", "start", "fall", "-l", "country=NO")
    assert started.stderr.endswith("no accepted device matches 'country=NO'; it waits for one\n")
