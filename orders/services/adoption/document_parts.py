"""The parts of a document of the FastAPI service, each as an order of this service has it."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from bson import Int64, ObjectId

from orders.models import PUBLIC_STATUSES, Address, Document, Item, LineState, Status
from orders.services.adoption.foreign_fields import ForeignFields, stored
from orders.services.identifiers import (
    LONGEST_USER_ID,
    NUMBER_ALPHABET,
    OBJECT_ID,
    MalformedUserId,
    canonical,
    grouped,
)
from orders.services.lifecycle.frozen_facts import longest
from orders.services.text_rules import ADDRESS_FIELDS
from orders.storage.ledger import NOTHING

SPELLINGS = {"canceled": Status.CANCELLED.value}
BELOW_PRICE, BELOW_TOTAL = Decimal(10**8), Decimal(10**12)


def id_of(found: Any, fields: ForeignFields) -> ObjectId | None:
    """Its id; also where that was written as a text."""
    if isinstance(found, ObjectId):
        return found
    if isinstance(found, str) and re.fullmatch(OBJECT_ID, found):
        fields.kinds.add("_id as text")
        return ObjectId(found)
    fields.note("_id", "not an ObjectId: import it from a file instead, with import_orders")
    return None


def number_of(order_id: Any) -> str:
    """Always the same of one id, so that a document that is adopted again has the number that people know."""
    digest = hashlib.sha256(f"adopted order\0{order_id}".encode()).digest()
    return grouped("".join(NUMBER_ALPHABET[byte % 32] for byte in digest[:12]))


def user_of(fields: ForeignFields) -> str:
    """The customer's id, in its one spelling."""
    user_id = fields.text("user_id", most=LONGEST_USER_ID, needed=True)
    try:
        return canonical(user_id) if user_id else ""
    except MalformedUserId as error:
        fields.note("user_id", f"{user_id!r}: {error.detail}")
        return ""


def status_of(found: Any, statuses: Mapping[str, str], fields: ForeignFields) -> str:
    """The public status that its status means. :param statuses: what other statuses mean, as the operator says."""
    text = found.strip().lower() if isinstance(found, str) else ""
    status = statuses.get(text) or SPELLINGS.get(text, text)
    if status not in PUBLIC_STATUSES:
        none_of_ours = f"{found!r} is none of {', '.join(PUBLIC_STATUSES)}: see --status"
        fields.note("status", "it is missing" if found is None else none_of_ours)
    return status


def line_of(fields: ForeignFields, state: LineState) -> Document:
    """A line, with its stock in this state."""
    product_id = fields.text("product_id", most=longest(Item, "product_id"), needed=True)
    price = fields.money("price", below=BELOW_PRICE)
    return {
        "product_id": product_id.lower() if re.fullmatch(OBJECT_ID, product_id) else product_id,
        "quantity": Int64(fields.units("quantity")),
        "price": stored(price) if price else NOTHING,
        "stock": {"state": state.value, "attempts": 0, "error": ""},
    }


def total_of(fields: ForeignFields, lines: list[Document], *, recompute: bool) -> Any:
    """What the lines come to, as the document should say too. :param recompute: it need not."""
    worth = sum((line["price"].to_decimal() * line["quantity"] for line in lines), Decimal("0.00"))
    total = fields.money("total_price", below=BELOW_TOTAL, needed=False)
    if total is not None and total != worth and not fields.problems:
        if not recompute:
            fields.note("total_price", f"it is {total}, but the lines come to {worth}: see --recompute-totals")
        fields.filled.add("total_price")
    return stored(worth)


def address_of(fields: ForeignFields) -> Document:
    """The parts that the FastAPI service knows; those of ours are empty, and nobody misses them."""
    known = ("line1", "line2", "city", "state", "postal_code", "country")
    texts = {name: fields.text(name, most=longest(Address, name)) for name in known}
    return {name: texts.get(name, "") for name in ADDRESS_FIELDS}


def times_of(found: Any, fields: ForeignFields, zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
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
