"""Everything that can be read or written within one transaction. Each noun's part is in the file of its name."""

from __future__ import annotations

from controller.store.bulks import BulkRows
from controller.store.desired import DesiredRows
from controller.store.devices import DeviceRows
from controller.store.events import EventRows
from controller.store.forgotten import ForgottenRows
from controller.store.incidents import IncidentRows
from controller.store.jobs import JobRows
from controller.store.manifests import ManifestRows
from controller.store.members import MemberRows
from controller.store.models import ModelRows
from controller.store.placements import PlacementRows
from controller.store.rollouts import RolloutRows
from controller.store.rollups import RollupRows
from controller.store.sizes import SizeRows
from controller.store.stamps import StampRows
from controller.store.variants import VariantRows


class Tx(
    BulkRows,
    DesiredRows,
    DeviceRows,
    EventRows,
    ForgottenRows,
    IncidentRows,
    JobRows,
    ManifestRows,
    MemberRows,
    ModelRows,
    PlacementRows,
    RolloutRows,
    RollupRows,
    SizeRows,
    StampRows,
    VariantRows,
):
    """One transaction of a `Store`; of no use after its `with` block."""
