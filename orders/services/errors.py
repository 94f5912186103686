"""What every refusal of a service has in common. Each error itself stands beside the function that raises it."""

from enum import Enum, auto
from typing import Any, ClassVar


class RefusalKind(Enum):
    """What stands in the way, in the words of the service; an edge says it in its own, such as the statuses of HTTP."""

    INVALID = auto()
    """What was asked is not possible for anybody, at any time: whoever asked has to correct it."""
    NOT_AUTHENTICATED = auto()
    NOT_PERMITTED = auto()
    NOT_FOUND = auto()
    CONFLICT = auto()
    """It is possible as such, but not as things are now."""
    STALE = auto()
    """Whoever asked had seen an earlier version."""
    GONE = auto()
    """It has been deleted, as it is to be after some time."""
    ALREADY_USED = auto()
    """The key or id stands for something else that was asked before."""
    UNAVAILABLE = auto()
    """Something that is needed for it did not answer; later it may."""


class OrderError(Exception):
    """Something was asked that cannot be done; nothing was changed.

    The text reads alone, for people. `code`, `kind` and `members` are for machines: `members` holds JSON-ready values.
    """

    code: ClassVar[str] = "order_error"
    kind: ClassVar[RefusalKind] = RefusalKind.INVALID

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members
