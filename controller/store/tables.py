"""The tables, the same on SQLite and PostgreSQL.

A column is named as the field of the noun that it keeps, with its unit. What the controller only reads back whole
is JSON; what it filters, sorts or draws is a column of its own.
"""

from __future__ import annotations

import re

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Words(TypeDecorator[str]):
    """Text that may come from a device or an operator.

    PostgreSQL refuses NUL, even in a question, and one message must not block its whole batch.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return value if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


Counter = BigInteger().with_variant(Integer(), "sqlite")
"""A key that the database counts up; SQLite does so only for INTEGER."""


def _device() -> Column[str]:
    return Column("device", Words, ForeignKey("devices.id"), nullable=False)


def _model() -> Column[str]:
    return Column("model", Words, ForeignKey("models.ref"), nullable=False)


meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

devices = Table(
    "devices",
    metadata,
    Column("id", Words, primary_key=True),
    Column("state", Text, nullable=False),
    Column("profile_text", Words, nullable=False),
    Column("profile", JSON(none_as_null=True)),
    Column("device_class", Words, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("registered_unix_s", Double, nullable=False),
    Column("calibration", JSON, nullable=False),
    Column("boot", Words),
    Column("last_seen_unix_s", Double),
    Column("agent_version", Words),
    Column("architecture", Words),
    Column("wire", BigInteger),
    Column("runtimes", JSON, nullable=False),
    Column("emulated", Words),
    Column("reported", JSON(none_as_null=True)),
    Column("implausible", BigInteger, nullable=False, server_default="0"),
    Column("implausible_last", Words, nullable=False, server_default=""),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("device", Words, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("cleared", Boolean, nullable=False),
    Column("forgotten_unix_s", Double, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("ref", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("version", Words, nullable=False),
    Column("spec_path", Words, nullable=False),
    Column("digest", Text, nullable=False),
    Column("accuracy_floor", Double),
    Column("accuracy_margin", Double),
    Column("prefer", Text, nullable=False, server_default="accuracy"),
    Column("ladder", Integer, nullable=False, server_default="0"),
    Column("recovery", JSON(none_as_null=True)),
    Column("refine_s", Double, nullable=False, server_default="0"),
    Column("added_unix_s", Double, nullable=False),
)

variants = Table(
    "variants",
    metadata,
    Column("sha256", Words, primary_key=True),
    Column("model", Words, ForeignKey("models.ref"), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("precision", Text, nullable=False),
    Column("ram_bytes", BigInteger, nullable=False),
    Column("ram_base_bytes", BigInteger, nullable=False, server_default="0"),
    Column("latency_p50_s", Double, nullable=False),
    Column("latency_p95_s", Double, nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("accuracy", Double),
    Column("accuracy_low", Double),
    Column("accuracy_high", Double),
    Column("drop", Double),
    Column("drop_low", Double),
    Column("drop_high", Double),
    Column("gate_samples", BigInteger),
    Column("evidence", JSON(none_as_null=True)),
    Column("dense", Boolean, nullable=False),
    Column("requested", Text, nullable=False),
    Column("runtime", Text, nullable=False, server_default="onnxruntime"),
    Column("golden_seed", BigInteger, nullable=False),
    Column("golden_outputs", JSON, nullable=False),
    Column("golden_tolerance", Double, nullable=False),
    Column("lineage", JSON, nullable=False),
    Column("created_unix_s", Double, nullable=False),
    Index(None, "model"),
)

manifests = Table(
    "manifests",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "sha256"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Words, primary_key=True),
    _model(),
    Column("kind", Text, nullable=False),
    Column("caps", JSON, nullable=False),
    Column("rungs", Integer),
    Column("share", Double),
    Column("asked", Boolean, nullable=False),
    Column("audit", Boolean, nullable=False, server_default=false()),
    Column("budget_s", Double),
    Column("prediction", JSON(none_as_null=True)),
    Column("state", Text, nullable=False),
    Column("sha256", Text),
    Column("binding", Text),
    Column("least", JSON(none_as_null=True)),
    Column("detail", Words, nullable=False),
    Column("report", JSON(none_as_null=True)),
    Column("retry", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_unix_s", Double, nullable=False),
    Column("finished_unix_s", Double),
    Index(None, "state"),
)

placements = Table(
    "placements",
    metadata,
    Column("device", Words, ForeignKey("devices.id"), primary_key=True),
    Column("model", Words, ForeignKey("models.ref"), primary_key=True),
    Column("feasible", Boolean, nullable=False),
    Column("binding", Text, nullable=False),
    Column("envelope", JSON, nullable=False),
    Column("sha256", Text),
    Column("waiting_for", Words),
    Column("reason", Words, nullable=False),
    Column("relaxations", JSON, nullable=False),
    Column("rollout", Text),
    Column("offered", Boolean, nullable=False, server_default=false()),
    Column("decided_unix_s", Double, nullable=False),
)

desired = Table(
    "desired",
    metadata,
    Column("device", Words, ForeignKey("devices.id"), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Words, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("rollout", Text),
    Column("incident", Text),
    Column("envelope", LargeBinary, nullable=False),
    Column("manifest", Text),
    Column("issued_unix_s", Double, nullable=False),
    Column("result", Text),
    Column("reason", Words, nullable=False),
    Column("finished_unix_s", Double),
    Column("attempts", Integer, nullable=False),
)

bulks = Table(
    "bulks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token", Words, nullable=False),
    Column("kind", Text, nullable=False),
    Column("selector", Words),
    Column("state", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("asked_unix_s", Double, nullable=False),
    Column("finished_unix_s", Double),
    UniqueConstraint("token"),
)

# Many items a row, from position `first` on: so a hundred thousand of them are frozen within one turn.
bulk_items = Table(
    "bulk_items",
    metadata,
    Column("bulk", Text, ForeignKey("bulks.id"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

bulk_failures = Table(
    "bulk_failures",
    metadata,
    Column("bulk", Text, ForeignKey("bulks.id"), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("device", Words, nullable=False),
    Column("reason", Words, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Words, primary_key=True),
    _model(),
    Column("selector", Words, nullable=False),
    Column("waves", JSON, nullable=False),
    Column("max_failures", Double, nullable=False),
    Column("deadline_s", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("started_unix_s", Double, nullable=False),
    Column("wave_started_unix_s", Double, nullable=False),
    Column("finished_unix_s", Double),
    Column("reason", Words, nullable=False),
    Index(None, "state"),
)

owners = Table(
    "owners",
    metadata,
    Column("device", Words, ForeignKey("devices.id"), primary_key=True),
    Column("rollout", Words, ForeignKey("rollouts.id"), nullable=False),
    Column("before", Words),
    Column("since_unix_s", Double, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("rollout", Words, ForeignKey("rollouts.id"), primary_key=True),
    Column("device", Words, ForeignKey("devices.id"), primary_key=True),
    Column("standing", Text, nullable=False),
    Column("wave", Integer),
    Column("since_unix_s", Double, nullable=False),
    Column("due_unix_s", Double),
    Column("attempt", Integer, nullable=False),
    Column("reason", Words, nullable=False),
    Index(None, "device"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Words, primary_key=True),
    _device(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("evidence", Words, nullable=False),
    Column("diagnosis", Words, nullable=False),
    Column("from_variant", Text),
    Column("to_variant", Text),
    Column("outcome", Words, nullable=False),
    Column("opened_unix_s", Double, nullable=False),
    Column("closed_unix_s", Double),
    Index(None, "device"),
    Index(None, "state"),
)

PARTS = re.compile(r"windows_\d{4}_\d\d_\d\d(_\d+)?")
"""The names of further tables, which have the windows of one day each (`controller.store.telemetry`)."""

# The columns of every part of the telemetry; as a table itself it is the part that releases before parts filled.
# Windows and events have no foreign key: they are most of all rows, and every insert would pay for a look-up.
windows = Table(
    "windows",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("device", Words, nullable=False),
    Column("boot", Words, nullable=False),
    Column("received_unix_s", Double, nullable=False),
    Column("closed_unix_s", Double),
    Column("history", Boolean, nullable=False, server_default=false()),
    Column("seq", BigInteger, nullable=False),
    Column("duration_s", Double),
    Column("wall_unix_s", Double),
    Column("sha256", Words),
    Column("count", BigInteger),
    Column("errors", BigInteger),
    Column("latency_p50_ms", Double),
    Column("latency_p95_ms", Double),
    Column("latency_p99_ms", Double),
    Column("latency_mean_ms", Double),
    Column("latency_source", Words, nullable=False),
    Column("busy_share", Double),
    Column("cpu_share", Double),
    Column("rss_bytes", BigInteger),
    Column("ram_peak_bytes", BigInteger),
    Column("temperature_celsius", Double),
    Column("temperature_max_celsius", Double),
    Column("temperature_mean_celsius", Double),
    Column("power_watts", Double),
    Column("power_source", Words),
    Column("energy_per_inference_joules", Double),
    Column("battery_percent", Double),
    Column("battery_discharging", Boolean),
    Column("frequency_hz", Double),
    Column("throttled_share", Double),
    Column("undervoltage", Boolean),
    Column("cpu_per_inference_s", Double),
    Column("host_busy_share", Double),
    Column("pressure_share", Double),
    Column("asked", BigInteger),
    Column("shed", BigInteger),
    Column("queue_mean_ms", Double),
    Column("queue_p95_ms", Double),
    Column("implausible", Words, nullable=False, server_default=""),
    Column("outside", Boolean),
    UniqueConstraint("device", "boot", "seq"),
    Index(None, "device", "id"),
)

marks = Table(
    "marks",
    metadata,
    Column("device", Words, primary_key=True),
    Column("boot", Words, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("newest_id", BigInteger, nullable=False),
)

clock_steps = Table(
    "clock_steps",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("upto_id", BigInteger, nullable=False),
    Column("since_unix_s", Double, nullable=False),
    Column("step_s", Double, nullable=False),
)

rollups = Table(
    "rollups",
    metadata,
    Column("device", Words, primary_key=True),
    Column("hour_unix_s", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", Words, primary_key=True),
    Column("upto_id", BigInteger, nullable=False),
    Column("windows", BigInteger, nullable=False),
    Column("heard_s", Double, nullable=False),
    Column("outside_s", Double, nullable=False),
    Column("throttled_s", Double, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("spreads", JSON, nullable=False),
    Column("joules", JSON, nullable=False),
    Index(None, "hour_unix_s"),
)

rolled_up = Table(
    "rolled_up",
    metadata,
    Column("device", Words, primary_key=True),
    Column("upto_id", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("device", Words, nullable=False),
    Column("boot", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("unix_s", Double, nullable=False),
    Index(None, "device", "id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("topic", Words, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Words, nullable=False),
    Column("unix_s", Double, nullable=False),
)
