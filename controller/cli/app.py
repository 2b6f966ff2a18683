"""The command line: parse, call, print. Importing it must stay cheap, `--help` answers in a quarter of a second."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from controller.cli import bulk, db, device, health, incident, ladder, model, prune, rollout, serve, telemetry
from controller.client import ClientError


class ErrorsInWords(TyperGroup):
    """One place turns a failed request into its cause on stderr and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ClientError as error:
            typer.echo(f"error: {error.cause}", err=True)
            raise typer.Exit(error.exit_code) from None


app = typer.Typer(
    name="controller",
    cls=ErrorsInWords,
    help="Hedgerow: prune one model to each edge device's budget, and keep it there.",
    epilog="Exit codes: 0 ok, 1 error, 2 usage, 3 rollout failed or aborted, 4 timeout, 5 controller unreachable.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(device.app, name="device")
app.add_typer(bulk.app, name="bulk")
model.app.command("ladder")(ladder.ladder)
app.add_typer(model.app, name="model")
app.command("prune", cls=prune.OptionalShare)(prune.prune)
app.command("plan")(model.plan)
app.add_typer(rollout.app, name="rollout")
app.command("telemetry")(telemetry.telemetry)
app.add_typer(incident.app, name="incident")
app.command("health")(health.health)
app.add_typer(db.app, name="db")
app.command("serve")(serve.serve)
app.command("demo")(serve.demo)
