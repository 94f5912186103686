"""What a document of the FastAPI service becomes: an order as this service would keep it.

Its id stays. What it does not say is filled in, and named; what cannot be read, or would be wrong here, keeps it from
being adopted, with every reason at once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from enum import StrEnum
from typing import Any

from bson import Int64
from django.conf import settings
from django.utils.translation import gettext_noop

from orders.models import Document, LineState, Status, moments
from orders.services.adoption.document_parts import (
    address_of,
    id_of,
    line_of,
    number_of,
    status_of,
    times_of,
    total_of,
    user_of,
)
from orders.services.adoption.foreign_fields import ForeignFields, names_beside
from orders.services.audit import Act
from orders.services.search_terms import terms_of
from orders.storage import new_id
from orders.storage.ledger import NOTHING, PAID_STATUSES

SINCE = gettext_noop("Status since %(moment)s UTC, when the other service last changed it.")
FILLED = gettext_noop("Filled in: %(fields)s.")
ADOPTED = "adopt"
"""The act by which the history names it."""
OPEN = (Status.PENDING.value, Status.PAID.value, Status.PROCESSING.value)
SHIPPED = (Status.SHIPPED.value, Status.DELIVERED.value)
KNOWN = frozenset({"_id", "user_id", "items", "total_price", "status", "shipping_address", "created_at", "updated_at"})


class Stock(StrEnum):
    """What inventory holds for the orders that are adopted, as the operator says."""

    NONE = "none"
    RESERVED = "reserved"
    RESERVED_AND_USED = "reserved-and-used"

    def state_of_lines(self, status: str) -> LineState:
        """The state of the lines of an order in this status."""
        if self is not Stock.NONE and status in OPEN:
            return LineState.RESERVED
        if self is Stock.RESERVED_AND_USED and status in SHIPPED:
            return LineState.USED
        return LineState.NONE


@dataclass(frozen=True)
class Choices:
    """What the operator decides about all documents.

    :ivar zone: of times without one.
    :ivar statuses: what other statuses than the public ones mean.
    :ivar recompute: totals that are not the sum of the lines are replaced by it.
    """

    stock: Stock = Stock.NONE
    zone: tzinfo = UTC
    statuses: Mapping[str, str] = field(default_factory=dict)
    recompute: bool = False


@dataclass(frozen=True)
class Adopted:
    """A document as an order.

    :ivar filled: what it did not say.
    :ivar kinds: how it wrote money, times and its id.
    :ivar left: fields that are only kept in the file of originals.
    """

    order: Document
    filled: Collection[str]
    kinds: Collection[str]
    left: Collection[str]


def adopted(original: Document, choices: Choices, act: Act) -> Adopted | list[str]:
    """The order that a document becomes; or why it cannot become one."""
    fields = ForeignFields(original)
    order_id = id_of(original["_id"], fields)
    status = status_of(original.get("status"), choices.statuses, fields)
    state = choices.stock.state_of_lines(status)
    lines = [line_of(part, state) for part in fields.parts("items")]
    created_at, changed_at = times_of(original["_id"], fields, choices.zone, act.at)
    order: Document = {
        "_id": order_id,
        "number": number_of(original["_id"]),
        "user_id": user_of(fields),
        "status": status,
        "version": Int64(0),
        "user_verified": True,
        "items": lines,
        "total_price": total_of(fields, lines, recompute=choices.recompute),
        "currency": settings.CURRENCY,
        "shipping_address": address_of(fields.part("shipping_address")),
        "created_at": created_at,
        "placed_at": created_at,
    }
    if fields.problems:
        return fields.problems
    order |= moments(status, changed_at) | _ledger(status, order["total_price"])
    write_id, filled = new_id(), sorted(fields.filled)
    said = SINCE % {"moment": f"{changed_at:%Y-%m-%d %H:%M:%S}"}, FILLED % {"fields": ", ".join(filled) or "nothing"}
    entry = act.entry(ADOPTED, target=status, detail=" ".join(said))
    order |= {"history": [entry | {"write_id": write_id}], "write_id": write_id, "terms": terms_of(order)}
    return Adopted(order, filled, fields.kinds, names_beside(KNOWN, original))


def _ledger(status: str, total: Any) -> Document:
    """What was paid counts as paid in full, and what was refunded as given back in full; nobody recorded more."""
    if status == Status.REFUNDED:
        return {"paid": total, "refunded": total}
    return {"paid": total, "refunded": NOTHING} if status in PAID_STATUSES else {}
