"""Models, their variants, and the plan: what each device would run."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from controller.core.intents import AddModel, IntentError, SetModel
from controller.core.nouns.model import Model, Recovery
from controller.core.selector import parse_selector
from controller.loop import pages
from controller.store import Tx
from controller.web.answers import Json, Port, found
from controller.web.device_views import Json as Row
from controller.web.job_views import is_measuring
from controller.web.pages import Wanted, answer
from controller.web.views import model_view, plan_view, variant_view

router = APIRouter(tags=["models"])


@dataclass
class Addition:
    """`spec_path` is a file on the controller's host."""

    spec_path: str


@dataclass
class Policy:
    """What is null stays as it is. A floor, a margin or a `refine_s` of 0 is none. Recovery takes one budget."""

    prefer: str | None = None
    ladder: int | None = None
    accuracy_floor: float | None = None
    accuracy_margin: float | None = None
    recover_epochs: float | None = None
    recover_cpu_s: float | None = None
    refine_s: float | None = None

    def intent(self, ref: str) -> SetModel:
        budgets = (self.recover_cpu_s, self.recover_epochs)
        if all(each is not None for each in budgets) or any(each is not None and each < 0 for each in budgets):
            raise IntentError(400, "recovery takes epochs or seconds of CPU time, one of the two, from 0")
        recovery = Recovery(*budgets) if budgets != (None, None) else None
        return SetModel(
            ref, self.prefer, self.ladder, self.accuracy_floor, self.accuracy_margin, recovery, self.refine_s
        )


def resolve(tx: Tx, ref: str) -> Model:
    """A model by `name@version`, or the newest version of a bare name; a 404 otherwise."""
    exact = tx.get_model(ref)
    return found(exact or next((model for model in tx.models() if model.name == ref), None), "model", ref)


def _view(tx: Tx, model: Model) -> Row:
    measuring = next((job for job in tx.jobs() if is_measuring(job, model)), None)
    return model_view(model, measuring)


@router.get("/models")
def list_models(port: Port) -> Json:
    with port.read() as tx:
        return Json([_view(tx, model) for model in tx.models()])


@router.post("/models", status_code=201)
def add_model(port: Port, body: Addition) -> Json:
    ref = port.submit(AddModel(body.spec_path))
    with port.read() as tx:
        return Json(_view(tx, resolve(tx, ref)), status_code=201)


@router.get("/models/{ref}")
def show_model(port: Port, ref: str) -> Json:
    with port.read() as tx:
        return Json(_view(tx, resolve(tx, ref)))


@router.patch("/models/{ref}")
def set_model(port: Port, ref: str, body: Policy) -> Json:
    """Change the model's policy; what it is stays."""
    with port.read() as tx:
        known = resolve(tx, ref).ref
    port.submit(body.intent(known))
    with port.read() as tx:
        return Json(_view(tx, resolve(tx, known)))


@router.get("/models/{ref}/variants")
def list_variants(port: Port, ref: str, asked: Wanted) -> Json:
    """In the order they were made."""
    with port.read() as tx:
        model = resolve(tx, ref).ref
    page = port.look(lambda fleet: pages.variants(fleet, model, asked.after, asked.limit))
    with port.read() as tx:
        variants = tx.variants_among([model], page.names)
    return answer(page, {each.sha256: variant_view(each) for each in variants}, asked)


@router.get("/plan")
def plan(port: Port, model: str, selector: str = "") -> Json:
    """What the fit says for each device that `selector` matches. Nothing is changed by asking."""
    parse_selector(selector)
    with port.read() as tx:
        known = resolve(tx, model).ref
    found = port.plan(known, selector)
    return Json([plan_view(placement, device, found.catalog) for device, placement in found.rows])
