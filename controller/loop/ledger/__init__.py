"""What a turn writes down: laid over the fleet's facts while it goes on, then written in one transaction, then applied.

Who reads here sees what the turn has written so far. Where the transaction fails, nothing of it was ever there. Each
noun's part is in a file of its own.
"""

from controller.loop.ledger.ledger import Ledger

__all__ = ["Ledger"]
