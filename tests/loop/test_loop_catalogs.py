"""Catalogs grow with each prune that is asked for; they are not made anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from controller.core.catalog import Catalog, catalog_of
from controller.core.nouns.job import Job
from controller.core.nouns.model import Model
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.loop.ledger import models
from tests.stories.world import World, profile


def test_while_many_devices_ask_each_for_a_prune_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, made = World(tmp_path, Policy()), list[str]()
    world.add_model()
    for at in range(20):
        world.add_device(profile(f"d{at:02}", f"deadline: {8 - at * 0.2} ms"))
    world.run(1)

    def counted(model: Model, variants: Iterable[Variant], jobs: Iterable[Job]) -> Catalog:
        made.append(model.ref)
        return catalog_of(model, variants, jobs)

    monkeypatch.setattr(models, "catalog_of", counted)
    world.roll_out()
    world.run(5)
    with world.store.read() as tx:
        assert len(tx.jobs()) > 15
    assert len(made) <= 1
    world.assert_memory_is_what_is_stored()
    world.store.close()
