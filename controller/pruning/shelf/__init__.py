"""The shelf: a folder of artifacts, with what jobs leave there for later jobs of the same model."""

from controller.pruning.shelf.kin import Kin
from controller.pruning.shelf.marks import Marked, Marks
from controller.pruning.shelf.point import Point
from controller.pruning.shelf.shelf import Shelf, known_as, name_of

__all__ = ["Kin", "Marked", "Marks", "Point", "Shelf", "known_as", "name_of"]
