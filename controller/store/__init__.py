"""What the controller remembers: one database, and files by digest.

Rows and connections stay in this room; frozen nouns leave it.
"""

from controller.store.artifacts import Artifacts
from controller.store.errors import ArtifactError, ClaimedError, StoreError
from controller.store.store import Store
from controller.store.tx import Tx

__all__ = ["ArtifactError", "Artifacts", "ClaimedError", "Store", "StoreError", "Tx"]
