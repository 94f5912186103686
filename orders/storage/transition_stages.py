"""What a transition does to an order beside its status and its stock: to its money, and to what has left.

For one order and for many alike: stages of the update before those that make the change, and after them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from orders.models import Document
from orders.storage import ledger, parcels

LIFTED: Document = {"$unset": ["held_at", "hold"]}
"""What has ended is not held back."""
NO_TRACKING = {"carrier": "", "tracking_number": "", "tracking_url": ""}


@dataclass(frozen=True)
class Stages:
    """Stages before those that make the change, and after them."""

    first: tuple[Document, ...] = ()
    then: tuple[Document, ...] = ()


@dataclass(frozen=True)
class Paid:
    """:ivar amount: None for what the order comes to."""

    amount: Decimal | None = None
    reference: str = ""
    method: str = ""


def stages_of(
    transition: str,
    at: datetime,
    *,
    code: str = "",
    paid: Paid | None = None,
    tracking: Mapping[str, str] | None = None,
) -> Stages:
    """:param paid: of `pay`. :param tracking: of `ship`: carrier, tracking_number and tracking_url."""
    match transition:
        case "pay":
            paid = paid or Paid()
            payment = ledger.paying(at, amount=paid.amount, reference=paid.reference, method=paid.method)
            return Stages((ledger.OPENED,), (payment, ledger.BALANCED))
        case "ship":
            return Stages(then=(parcels.shipping(at, tracking or NO_TRACKING),))
        case "cancel":
            return Stages((ledger.OPENED,), (ledger.BALANCED, LIFTED))
        case "refund":
            return Stages((ledger.OPENED,), (ledger.refunding(at, code=code), ledger.BALANCED, LIFTED))
        case _:
            return Stages()
