"""The rules for a record of a historical order, and the order that it becomes."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from bson import Int64
from django.conf import settings

from orders.models import PUBLIC_STATUSES, Document, LineState, from_cents
from orders.services.audit import Act
from orders.services.identifiers import LONGEST_USER_ID, MalformedUserId, canonical
from orders.services.search_terms import terms_of
from orders.services.transfer.file_format import STEPS, iso
from orders.services.transfer.import_fields import Fields
from orders.services.transfer.import_files import Conventions, Problem, Record
from orders.services.transfer.import_identity import Identity, identity_of
from orders.services.transfer.import_ledger import charges, owed, parcels_and_money, places
from orders.services.transfer.import_parts import (
    LENGTHS,
    LONGEST_REFERENCE,
    details,
    people_and_places,
    product_texts,
)
from orders.storage import new_id

LONGEST_PRODUCT_ID = 24
LATER_MOMENTS = ("placed_at", *STEPS, "status_since")
STATUSES_AFTER = {
    "shipped_at": ("shipped", "delivered", "refunded"),
    "delivered_at": ("delivered", "refunded"),
    "cancelled_at": ("cancelled",),
    "refunded_at": ("refunded",),
}
"""The statuses in which an order may be that was shipped, delivered and so on."""


@dataclass(frozen=True)
class Candidate:
    """An order whose own record is valid."""

    record: Record
    identity: Identity
    document: Document

    @property
    def line(self) -> int:
        return self.record.line

    def problem(self, name: str, text: str) -> Problem:
        """What is wrong with one of its fields after all."""
        return Problem(self.line, self.record.paths.get(name, name), text)


def examine(record: Record, act: Act) -> Candidate | list[Problem]:
    """The order of a record, or all the problems of the record."""
    if any(not problem.field for problem in record.problems):
        return record.problems
    fields = Fields(record.fields, record.line, paths=record.paths, conventions=record.conventions)
    identity = identity_of(fields)
    order = _order(fields, act)
    items, cents, problems = _items(record, order)
    told = {(problem.line, problem.field) for problem in record.problems}
    found = [problem for problem in [*fields.problems, *problems] if (problem.line, problem.field) not in told]
    problems = list(dict.fromkeys([*record.problems, *found]))
    if not problems:
        problems = _total_problems(record, order, cents)
    if problems or identity is None:
        return problems
    return Candidate(record, identity, _document(identity, order, items, act))


def _total_problems(record: Record, order: Document, cents: int) -> list[Problem]:
    lines = from_cents(cents).to_decimal()
    beside = sum((charge["amount"].to_decimal() for charge in order.get("charges", ())), Decimal(0))
    if order["total_price"].to_decimal() == lines + beside:
        return []
    text = f"it is {order['total_price']}, but the lines come to {lines}"
    text += f" and the charges to {beside}, together {lines + beside}" if "charges" in order else ""
    return [Problem(record.line, record.paths.get("total_price", "total_price"), text)]


def _order(fields: Fields, act: Act) -> Document:
    """The order's own values; meaningless if `fields` has problems."""
    order: Document = {
        "user_id": _user(fields),
        "status": fields.choice("status", PUBLIC_STATUSES),
        "user_verified": fields.flag("user_verified", default=True),
        "total_price": from_cents(fields.money("total_price", digits=14) or 0),
        **people_and_places(fields),
        **details(fields),
        **charges(fields),
    }
    created_at = fields.moment("created_at", latest=act.at, needed=True)
    if created_at is None:
        return order
    order["created_at"], earliest = created_at, created_at.replace(tzinfo=UTC)
    later = {name: fields.moment(name, latest=act.at, earliest=earliest) for name in LATER_MOMENTS}
    moments = {name: at for name, at in later.items() if at is not None}
    _check_steps(fields, order["status"], {name: moments[name] for name in STEPS if name in moments})
    order |= {"placed_at": created_at, "status_since": max([created_at, *moments.values()])} | moments
    if erased_at := fields.moment("erased_at", latest=act.at, earliest=earliest):
        order["erased_at"] = erased_at
    return order | parcels_and_money(fields, earliest=earliest, latest=act.at)


def _check_steps(fields: Fields, status: str, steps: dict[str, datetime]) -> None:
    """Note each step that an order in this status cannot have made, or made before an earlier one."""
    for name in steps:
        if status in PUBLIC_STATUSES and status not in STATUSES_AFTER.get(name, PUBLIC_STATUSES):
            fields.note(name, f"an order that is {status} has not been {name.removesuffix('_at')}")
    for (earlier, before), (name, at) in pairwise(steps.items()):
        if at < before:
            fields.note(name, f"{iso(at)} is before {earlier}, {iso(before)}")


def _user(fields: Fields) -> str:
    user_id = fields.text("user_id", most=LONGEST_USER_ID, needed=True, is_id=True)
    try:
        return canonical(user_id) if user_id else ""
    except MalformedUserId as error:
        fields.note("user_id", f"{user_id!r}: {error.detail}")
        return ""


def _items(record: Record, order: Document) -> tuple[list[Document], int, list[Problem]]:
    """The lines as they are stored, their total in cents, and their problems."""
    most = settings.MAX_ORDER_LINES
    if not 1 <= len(record.lines) <= most:
        return [], 0, [Problem(record.line, "items", f"an order has 1 to {most} lines")]
    items: list[Document] = []
    problems: list[Problem] = []
    cost = 0
    for place, (line, prefix, values) in enumerate(record.lines):
        if not isinstance(values, dict):
            problems.append(Problem(line, prefix.rstrip("."), "not an object"))
            continue
        fields = Fields(values, line, prefix, record.item_paths, record.conventions)
        product_id = _product(fields, record.conventions)
        quantity = fields.whole("quantity", most=settings.MAX_LINE_QUANTITY) or 0
        cents = fields.money("price", digits=10) or 0
        stock = {"state": LineState.NONE.value, "attempts": 0, "error": ""}
        item = {"product_id": product_id, "quantity": Int64(quantity), "price": from_cents(cents), "stock": stock}
        items.append(item | product_texts(fields) | places(fields, order, place))
        cost += cents * quantity
        problems += fields.problems
    return items, cost, problems


def _product(fields: Fields, conventions: Conventions) -> str:
    """The id of a line's product; of one that has none, or on demand, its SKU."""
    by_sku = fields.any_given(["sku"]) and (conventions.sku_is_product or not fields.any_given(["product_id"]))
    if not by_sku:
        return fields.text("product_id", most=LONGEST_PRODUCT_ID, needed=True, is_id=True).lower()
    return product_of(fields.text("sku", most=LENGTHS["sku"]))


def product_of(name: str) -> str:
    """An id for a product of which only a name or a SKU is known: that itself, or 24 hex digits that stand for it."""
    if len(name) <= LONGEST_PRODUCT_ID:
        return name.lower()
    return hashlib.sha256(f"imported product\0{name}".encode()).hexdigest()[:LONGEST_PRODUCT_ID]


def _document(identity: Identity, order: Document, items: list[Document], act: Act) -> Document:
    """The order as it is stored, with one entry in its history; `updated_at` is set when it is written."""
    reference = f"reference {identity.reference}" if identity.reference else ""
    write_id = new_id()
    entry = act.entry("import", target=order["status"], detail=reference)
    document = {
        "_id": identity.id,
        "number": identity.number,
        **order,
        **owed(order, items),
        "version": Int64(0),
        "items": items,
        "history": [entry | {"write_id": write_id}],
        "write_id": write_id,
    }
    if 0 < len(identity.reference) <= LONGEST_REFERENCE:
        document["reference"] = identity.reference
    return document | {"terms": terms_of(document)}
