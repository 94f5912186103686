"""What a document of the FastAPI service becomes: an order as this service would keep it.

Its id stays. What it does not say is filled in, and named; what cannot be read, or would be wrong here, keeps it from
being adopted, with every reason at once.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bson import Int64, ObjectId
from django.conf import settings
from django.utils.translation import gettext_noop

from orders.models import PUBLIC_STATUSES, Address, Document, Item, LineState, Status, moments
from orders.services.adoption.foreign_fields import ForeignFields, names_beside, stored
from orders.services.audit import Act
from orders.services.identifiers import (
    LONGEST_USER_ID,
    NUMBER_ALPHABET,
    OBJECT_ID,
    MalformedUserId,
    canonical,
    grouped,
)
from orders.services.lifecycle.frozen_facts import longest
from orders.services.search_terms import terms_of
from orders.services.text_rules import ADDRESS_FIELDS
from orders.storage import new_id
from orders.storage.ledger import NOTHING, PAID_STATUSES

SINCE = gettext_noop("Status since %(moment)s UTC, when the other service last changed it.")
FILLED = gettext_noop("Filled in: %(fields)s.")
ADOPTED = "adopt"
"""The act by which the history names it."""
OPEN = (Status.PENDING.value, Status.PAID.value, Status.PROCESSING.value)
SHIPPED = (Status.SHIPPED.value, Status.DELIVERED.value)
SPELLINGS = {"canceled": Status.CANCELLED.value}
KNOWN = frozenset({"_id", "user_id", "items", "total_price", "status", "shipping_address", "created_at", "updated_at"})
BELOW_PRICE, BELOW_TOTAL = Decimal(10**8), Decimal(10**12)


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
    order_id = _id(original["_id"], fields)
    status = _status(original.get("status"), choices, fields)
    state = choices.stock.state_of_lines(status)
    lines = [_line(part, state) for part in fields.parts("items")]
    created_at, changed_at = _times(original["_id"], fields, choices.zone, act.at)
    order: Document = {
        "_id": order_id,
        "number": _number(original["_id"]),
        "user_id": _user(fields),
        "status": status,
        "version": Int64(0),
        "user_verified": True,
        "items": lines,
        "total_price": _total(fields, lines, recompute=choices.recompute),
        "currency": settings.CURRENCY,
        "shipping_address": _address(fields.part("shipping_address")),
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


def _id(found: Any, fields: ForeignFields) -> ObjectId | None:
    if isinstance(found, ObjectId):
        return found
    if isinstance(found, str) and re.fullmatch(OBJECT_ID, found):
        fields.kinds.add("_id as text")
        return ObjectId(found)
    fields.note("_id", "not an ObjectId: import it from a file instead, with import_orders")
    return None


def _number(order_id: Any) -> str:
    """Always the same of one id, so that a document that is adopted again has the number that people know."""
    digest = hashlib.sha256(f"adopted order\0{order_id}".encode()).digest()
    return grouped("".join(NUMBER_ALPHABET[byte % 32] for byte in digest[:12]))


def _user(fields: ForeignFields) -> str:
    user_id = fields.text("user_id", most=LONGEST_USER_ID, needed=True)
    try:
        return canonical(user_id) if user_id else ""
    except MalformedUserId as error:
        fields.note("user_id", f"{user_id!r}: {error.detail}")
        return ""


def _status(found: Any, choices: Choices, fields: ForeignFields) -> str:
    text = found.strip().lower() if isinstance(found, str) else ""
    status = choices.statuses.get(text) or SPELLINGS.get(text, text)
    if status not in PUBLIC_STATUSES:
        none_of_ours = f"{found!r} is none of {', '.join(PUBLIC_STATUSES)}: see --status"
        fields.note("status", "it is missing" if found is None else none_of_ours)
    return status


def _line(fields: ForeignFields, state: LineState) -> Document:
    product_id = fields.text("product_id", most=longest(Item, "product_id"), needed=True)
    price = fields.money("price", below=BELOW_PRICE)
    return {
        "product_id": product_id.lower() if re.fullmatch(OBJECT_ID, product_id) else product_id,
        "quantity": Int64(fields.units("quantity")),
        "price": stored(price) if price else NOTHING,
        "stock": {"state": state.value, "attempts": 0, "error": ""},
    }


def _total(fields: ForeignFields, lines: list[Document], *, recompute: bool) -> Any:
    worth = sum((line["price"].to_decimal() * line["quantity"] for line in lines), Decimal("0.00"))
    total = fields.money("total_price", below=BELOW_TOTAL, needed=False)
    if total is not None and total != worth and not fields.problems:
        if not recompute:
            fields.note("total_price", f"it is {total}, but the lines come to {worth}: see --recompute-totals")
        fields.filled.add("total_price")
    return stored(worth)


def _address(fields: ForeignFields) -> Document:
    """The parts that the FastAPI service knows; those of ours are empty, and nobody misses them."""
    known = ("line1", "line2", "city", "state", "postal_code", "country")
    texts = {name: fields.text(name, most=longest(Address, name)) for name in known}
    return {name: texts.get(name, "") for name in ADDRESS_FIELDS}


def _times(found: Any, fields: ForeignFields, zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """When it was created, and last changed: in naive UTC; as its id has it where it does not say."""
    created_at = fields.moment("created_at", zone=zone, latest=now)
    changed_at = fields.moment("updated_at", zone=zone, latest=now)
    if created_at is None and isinstance(found, ObjectId):
        created_at = found.generation_time.replace(tzinfo=None)
    created_at = created_at or changed_at
    if created_at is None:
        if not fields.problems:
            fields.note("created_at", "there is none, and its id does not tell")
        created_at = now.replace(tzinfo=None)
    return created_at, max(created_at, changed_at or created_at)


def _ledger(status: str, total: Any) -> Document:
    """What was paid counts as paid in full, and what was refunded as given back in full; nobody recorded more."""
    if status == Status.REFUNDED:
        return {"paid": total, "refunded": total}
    return {"paid": total, "refunded": NOTHING} if status in PAID_STATUSES else {}
