"""Orders for the tests of parts: what is ordered, who does something to it, and what it comes to."""

from dataclasses import replace

from bson import ObjectId

from orders.services import access
from orders.services.audit import Act
from orders.services.fulfilment.parts import LineRequest
from orders.services.lifecycle.transitions import change_status_to
from orders.storage import ledger
from tests.integration.builders import ADMIN, A, B, Document, act, place

PATH = ("pending", "paid", "processing", "shipped", "delivered")


def placed(status: str, *wanted: tuple[str, int]) -> ObjectId:
    """An order that was placed and brought to a status."""
    order_id: ObjectId = place(*(wanted or ((A, 3), (B, 2)))).order["_id"]
    for target in PATH[1 : PATH.index(status) + 1]:
        change_status_to(order_id=order_id, status=target, act=act())
    return order_id


def because(code: str = "customer", reason: str = "", actor: access.Actor = ADMIN) -> Act:
    return replace(act(actor, reason), code=code)


def some(*wanted: tuple[int, int | None]) -> list[LineRequest]:
    return [LineRequest(line, quantity) for line, quantity in wanted]


def quantities(order: Document) -> list[int]:
    return [item["quantity"] for item in order["items"]]


def amounts(order: Document) -> tuple[str, str, str]:
    """Paid, refunded, owed."""
    paid, refunded, owed = ledger.money_of(order)
    return str(paid), str(refunded), str(owed)
