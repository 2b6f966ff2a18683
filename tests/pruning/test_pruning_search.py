"""The search by measuring, over costs that its predictions do not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.costs import Costs, binding
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.variant import Precision
from controller.pruning.artifact.measure import Measured
from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.predict import Known, Predictor
from controller.pruning.cost.price import Price
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.candidates import Candidates
from controller.pruning.jobs.costing import Costing
from controller.pruning.jobs.lab import Built, Lab
from controller.pruning.jobs.stage import Stage
from controller.pruning.shelf import Point, Shelf
from controller.pruning.solve.plan import Plan, Planner
from controller.pruning.solve.search import Found, TooTight
from controller.pruning.steps import Steps, unheard

DENSE, NARROWEST = 64, 4
Truth = Callable[[int], Costs]


def of_width(width: int) -> Structure:
    return Structure({"a": tuple(range(width))})


def price(width: int) -> Price:
    return Price(1e-5 * width, 1000.0 * width, np.array([400.0 * width]))


def straight(width: int) -> Costs:
    return Costs(ram_bytes=1e6 + 6e3 * width, storage_bytes=4e3 + 1e3 * width, latency_s=1e-4 + 1e-5 * width)


@dataclass
class Yard:
    """One group of 4 to 64 units whose artifacts cost what `truth` says; stands for bench, stage and planner.

    Plans are the widest that the real predictor lets through, from what was measured so far.
    """

    folder: Path
    truth: Truth
    precision: Precision = Precision.FP32
    structure: Structure = field(default_factory=lambda: of_width(DENSE))
    built: list[int] = field(default_factory=list)
    exported: list[int] = field(default_factory=list)  # and not run

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.folder, "f" * 64)

    @property
    def steps(self) -> Steps:
        return unheard()

    @property
    def prunable(self) -> object:
        return self

    def note(self, structure: Structure, precision: Precision, costs: Costs, only_bytes: bool = False) -> None:
        self.shelf.add_point(Point(structure.widths, structure.dropped, precision, costs, only_bytes))

    def points(self, precision: Precision) -> list[Point]:
        return self.shelf.points(precision)

    def know(self, *widths: int) -> None:
        for width in widths:
            self.note(of_width(width), self.precision, self.truth(width))

    def cut(self, _bench: object, wanted: Structure) -> Structure:
        return wanted

    def export(self, wanted: Structure, _precision: Precision) -> bytes:
        (width,) = wanted.widths.values()
        self.exported.append(width)
        return bytes(int(self.truth(width).storage_bytes))

    def build(self, wanted: Structure, precision: Precision, samples: int, repeats: int) -> Built:
        (width,) = wanted.widths.values()
        self.built.append(width)
        costs = self.truth(width)
        measured = Measured(
            ram_base_bytes=0, ram_bytes=int(costs.ram_bytes), storage_bytes=int(costs.storage_bytes),
            latency_p50_s=costs.latency_s, latency_p95_s=costs.latency_s, golden_outputs=(),
        )  # fmt: skip
        return Built(b"", f"{width:064}", measured)

    def predictor(self, precision: Precision) -> Predictor:
        points = self.points(precision)
        return Predictor([Known(price(each.widths["a"]), each.costs, each.only_bytes) for each in points], precision)

    def within(self, budgets: Budgets) -> Plan:
        """As a planner does."""
        fitting = [width for width in range(NARROWEST, DENSE + 1) if budgets.use(price(width))[1] <= 1]
        width = max(fitting, default=NARROWEST)
        return Plan(of_width(width), price(width), bool(fitting), DENSE - width, width / DENSE)

    def search(self, caps: Caps) -> Found | TooTight:
        costing, lab, stage, planner = cast(Costing, self), cast(Lab, self), cast(Stage, self), cast(Planner, self)
        offered = Candidates(costing, lab, stage, planner, self.precision)
        return offered.searched(caps)


def yard(folder: Path, truth: Truth = straight) -> Yard:
    made = Yard(folder, truth)
    made.know(NARROWEST, DENSE)
    return made


def test_costs_that_are_as_predicted_are_found_with_one_measurement(tmp_path: Path) -> None:
    known = yard(tmp_path)
    found = known.search(Caps(storage_bytes=30_000))
    assert isinstance(found, Found)
    assert (found.structure, found.binding) == (of_width(25), Constraint.STORAGE)
    assert known.exported == [25]
    assert found.use == pytest.approx(29 / 30)


def test_where_only_bytes_are_asked_for_nothing_is_run(tmp_path: Path) -> None:
    known = yard(tmp_path)
    assert isinstance(known.search(Caps(storage_bytes=30_000)), Found)
    assert known.built == []


def test_what_was_not_run_is_no_measurement_of_its_time(tmp_path: Path) -> None:
    """Bytes of 25 units are known; that the time of 25 is far above its prediction is not."""

    def truth(width: int) -> Costs:
        return replace(straight(width), latency_s=6e-4 if 4 < width < 64 else 1e-5 * width)

    slow, fresh = yard(tmp_path, truth), yard(tmp_path / "fresh", truth)
    slow.search(Caps(storage_bytes=30_000))
    told, plain = (each.predictor(Precision.FP32).costs(price(40)) for each in (slow, fresh))
    assert (told.latency_s, told.ram_bytes) == (plain.latency_s, plain.ram_bytes)
    found = slow.search(Caps(latency_s=2.6e-4, storage_bytes=30_000))
    assert 25 in slow.built
    assert isinstance(found, Found)
    assert found.structure == of_width(NARROWEST)


def test_it_goes_on_where_the_first_candidate_leaves_much_of_the_cap_unused(tmp_path: Path) -> None:
    sagging = yard(tmp_path, lambda width: replace(straight(width), latency_s=1e-4 * (1 + 0.12 * width**1.6 / 12)))
    caps = Caps(latency_s=4e-4)
    found = sagging.search(caps)
    assert isinstance(found, Found)
    first, *later = sagging.built
    assert binding(sagging.truth(first), caps)[1] < 0.9
    assert later
    assert found.structure.widths["a"] > first
    assert found.use >= 0.93


def test_a_candidate_above_the_cap_is_corrected_downwards(tmp_path: Path) -> None:
    bulging = yard(tmp_path, lambda width: replace(straight(width), latency_s=1e-4 * width**0.5))
    caps = Caps(latency_s=4e-4)
    found = bulging.search(caps)
    assert isinstance(found, Found)
    assert binding(bulging.truth(bulging.built[0]), caps)[1] > 1
    assert 0.9 < found.use <= 1
    assert found.costs == bulging.truth(found.structure.widths["a"])


def test_where_nothing_is_smaller_it_stops_and_names_the_cap(tmp_path: Path) -> None:
    known = yard(tmp_path)
    result = known.search(Caps(ram_bytes=900_000, storage_bytes=40_000))
    assert isinstance(result, TooTight)
    assert result.binding is Constraint.RAM_MODEL
    assert (result.structure, result.costs) == (of_width(NARROWEST), straight(NARROWEST))
    assert known.built == []


def test_it_does_not_give_up_before_the_smallest_was_tried(tmp_path: Path) -> None:
    """All widths but the ends run on kernels that are slow: no prediction leads from the one to the other."""
    slow = yard(
        tmp_path, lambda width: replace(straight(width), latency_s=6e-4 if 4 < width < 64 else 5e-4 * width / 64)
    )
    found = slow.search(Caps(latency_s=4e-4))
    assert isinstance(found, Found)
    assert found.structure == of_width(NARROWEST)


def test_what_the_shelf_knows_is_not_measured_again(tmp_path: Path) -> None:
    caps = Caps(storage_bytes=30_000)
    first = yard(tmp_path).search(caps)
    later = Yard(tmp_path, lambda _: pytest.fail("measured again"))
    assert later.search(caps) == first


def test_what_is_known_of_another_precision_does_not_count(tmp_path: Path) -> None:
    known = yard(tmp_path)
    assert isinstance(known.search(Caps(storage_bytes=30_000)), Found)
    other = replace(yard(tmp_path), precision=Precision.INT8, built=[], exported=[])
    other.know(NARROWEST, DENSE)
    other.search(Caps(storage_bytes=30_000))
    assert other.exported


def test_the_stage_itself_is_the_end_where_it_fits(tmp_path: Path) -> None:
    known = yard(tmp_path)
    found = known.search(Caps(storage_bytes=10**6))
    assert isinstance(found, Found)
    assert (found.structure, known.built) == (of_width(DENSE), [])


def test_without_caps_the_stage_stays_as_it_is(tmp_path: Path) -> None:
    found = yard(tmp_path).search(Caps())
    assert isinstance(found, Found)
    assert (found.structure, found.binding, found.use) == (of_width(DENSE), Constraint.NONE, 0)


def test_what_shipped_measured_above_the_cap_is_not_found_again(tmp_path: Path) -> None:
    """A structure measures inside as a candidate and, recovered, above: the next search has to take less."""
    known, caps = yard(tmp_path), Caps(latency_s=3e-4)
    first = known.search(caps)
    assert isinstance(first, Found)
    known.note(first.structure, Precision.FP32, replace(first.costs, latency_s=3.05e-4))
    second = known.search(caps)
    assert isinstance(second, Found)
    assert second.structure.widths["a"] < first.structure.widths["a"]


@st.composite
def laws(draw: st.DrawFn) -> Truth:
    """Costs that rise with the width on the whole, with steps, bends and up to a fifth of noise."""
    start, bend, noise = draw(st.floats(0.02, 0.8)), draw(st.floats(0.4, 2.5)), draw(st.floats(0, 0.2))
    step, dice = draw(st.sampled_from([1, 1, 8, 16])), np.random.default_rng(draw(st.integers(0, 999)))
    jitter = 1 + noise * dice.random((DENSE + 1, 3))

    def truth(width: int) -> Costs:
        share = (-(-width // step) * step / DENSE) ** bend
        ram, size, time = map(float, (start + (1 - start) * share) * jitter[width])
        return Costs(ram_bytes=round(8e6 * ram), storage_bytes=round(2e5 * size), latency_s=3e-3 * time)

    return truth


shares = st.one_of(st.none(), st.floats(0.1, 1.2))


@settings(max_examples=150, deadline=None)
@given(laws(), shares, shares, shares)
def test_what_is_found_measured_inside_every_cap_and_giving_up_means_that_the_smallest_did_not(
    tmp_path_factory: pytest.TempPathFactory, truth: Truth, ram: float | None, size: float | None, time: float | None
) -> None:
    caps = Caps(
        ram_bytes=None if ram is None else round(8e6 * ram),
        storage_bytes=None if size is None else round(2e5 * size),
        latency_s=None if time is None else 3e-3 * time,
    )
    tried = yard(tmp_path_factory.mktemp("yard"), truth)
    result = tried.search(caps)
    assert len(tried.built) == len(set(tried.built))
    if isinstance(result, Found):
        costs = truth(result.structure.widths["a"])
        assert result.costs.storage_bytes == costs.storage_bytes
        assert result.costs == costs or (ram is None and time is None)
        assert all(each.share <= 1 for each in result.costs.uses(caps))
        assert (result.binding, result.use) == binding(result.costs, caps)
    else:
        assert binding(result.costs, caps)[1] > 1
        assert binding(truth(NARROWEST), caps)[1] > 1
