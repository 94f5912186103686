"""The kinds of inventory that everything is tried with."""

from enum import StrEnum


class Inventory(StrEnum):
    """What inventory is like, and what the service is told of it (INVENTORY_IS_ATOMIC)."""

    ATOMIC = "atomic"
    PUBLISHED = "not atomic"
    WITHOUT_LOCKS = "not atomic, locks taken out"
    """The service takes it for atomic, and takes no lock: units must be lost, and the proof must find out."""

    @property
    def is_atomic(self) -> bool:
        return self is Inventory.ATOMIC

    @property
    def is_said_to_be_atomic(self) -> bool:
        return self is not Inventory.PUBLISHED
