"""How alembic runs a migration here: on the connection that `controller.store.migrate` hands it, in its transaction."""

from typing import Any, Literal

from alembic import context

from controller.store.tables import Words, metadata


def render_item(kind: str, item: object, _autogenerate: Any) -> str | Literal[False]:
    """A migration is of its own time: it names the column type, not our class that may change under it."""
    return "sa.Text()" if kind == "type" and isinstance(item, Words) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
