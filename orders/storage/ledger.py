"""What was paid for an order and given back, in its writes and guards: a ledger, never a call to a payment provider.

```
payments: [{at, amount, reference, method}]      refunds: [{at, amount, reference, code}]
paid, refunded: the sums        owed: what was paid, beyond what was given back and what the customer gets; if any
```
An order that was paid before there was a ledger counts as paid in full; the first write that touches its money says so.
What the customer gets is worth the lines that are neither cancelled nor returned, with what they have of the charges
(see `orders.models.money.worth`); nothing, of an order that is cancelled or refunded. `owed` is derived in the same
write as what it follows from, so that no money is owed unseen.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from bson import Decimal128

from orders.models import SHARED_CHARGES, Document, Status, worth
from orders.storage.database import appended, literal

PAID_STATUSES = tuple(status.value for status in (Status.PAID, Status.PROCESSING, Status.SHIPPED, Status.DELIVERED))
ENDED = (Status.CANCELLED.value, Status.REFUNDED.value, Status.REJECTED.value)
NOTHING = Decimal128("0.00")

_PAID: Document = {
    "$ifNull": [
        "$paid",
        {
            "$cond": [
                {"$or": [{"$in": ["$status", list(PAID_STATUSES)]}, {"$gt": ["$paid_at", None]}]},
                "$total_price",
                NOTHING,
            ]
        },
    ]
}
_REFUNDED: Document = {
    "$ifNull": ["$refunded", {"$cond": [{"$eq": ["$status", Status.REFUNDED.value]}, _PAID, NOTHING]}]
}
_IS_KEPT: Document = {"$eq": [{"$ifNull": ["$$line.removed", None]}, None]}
_COST: Document = {"$multiply": ["$$line.price", "$$line.quantity"]}


def _of_lines(value: Document) -> Document:
    return {"$map": {"input": "$items", "as": "line", "in": value}}


_KEPT: Document = {"$sum": _of_lines({"$cond": [_IS_KEPT, _COST, NOTHING]})}
_SHARED: Document = {
    "$sum": {
        "$map": {
            "input": "$charges",
            "as": "charge",
            "in": {"$cond": [{"$in": ["$$charge.kind", list(SHARED_CHARGES)]}, "$$charge.amount", NOTHING]},
        }
    }
}
_SHARE: Document = {"$round": [{"$divide": [{"$multiply": ["$$shared", "$$kept"]}, "$$ordered"]}, 2]}
_WITH_CHARGES: Document = {
    "$let": {
        "vars": {"kept": _KEPT, "ordered": {"$sum": _of_lines(_COST)}, "shared": _SHARED},
        "in": {
            "$let": {
                "vars": {"share": {"$cond": [{"$eq": ["$$ordered", 0]}, "$$shared", _SHARE]}},
                "in": {
                    "$add": [
                        "$$kept",
                        {"$subtract": ["$total_price", {"$add": ["$$ordered", "$$shared"]}]},
                        "$$share",
                    ]
                },
            }
        },
    }
}
_LINES_WORTH: Document = {
    "$cond": [
        {"$eq": [{"$ifNull": ["$charges", []]}, []]},
        _KEPT,
        {
            "$cond": [
                {"$anyElementTrue": [_of_lines(_IS_KEPT)]},
                {"$max": [NOTHING, {"$min": ["$total_price", _WITH_CHARGES]}]},
                NOTHING,
            ]
        },
    ]
}
_WORTH: Document = {"$cond": [{"$in": ["$status", list(ENDED)]}, NOTHING, _LINES_WORTH]}

SUMS: Document = {"paid": _PAID, "refunded": _REFUNDED, "owed": {"$ifNull": ["$owed", NOTHING]}}
"""What was paid for an order, given back, and is owed, as expressions."""
OPENED: Document = {"$set": {"paid": _PAID, "refunded": _REFUNDED}}
"""The first stage of a write that touches money or what it was paid for: the ledger is there."""
BALANCED: Document = {
    "$set": {
        "owed": {
            "$let": {
                "vars": {"owed": {"$subtract": [{"$subtract": ["$paid", "$refunded"]}, _WORTH]}},
                "in": {"$cond": [{"$gt": ["$$owed", NOTHING]}, "$$owed", "$$REMOVE"]},
            }
        }
    }
}
"""The last stage of such a write."""


def stored(amount: Decimal) -> Decimal128:
    return Decimal128(amount)


def paying(at: datetime, *, amount: Decimal | None = None, reference: str = "", method: str = "") -> Document:
    """The stage that records a payment. :param amount: by default what the order comes to."""
    payment = _entry(at, _LINES_WORTH if amount is None else stored(amount), reference=reference, method=method)
    return {"$set": {"payments": appended("payments", payment), "paid": {"$add": ["$paid", payment["amount"]]}}}


def refunding(at: datetime, *, amount: Decimal | None = None, reference: str = "", code: str = "") -> Document:
    """The stage that records a refund. :param amount: by default all that is left of what was paid, if any is."""
    left = {"$subtract": ["$paid", "$refunded"]}
    refund = _entry(at, left if amount is None else stored(amount), reference=reference, code=code)
    refunds = appended("refunds", refund)
    if amount is None:
        refunds = {"$cond": [{"$gt": [left, NOTHING]}, refunds, {"$ifNull": ["$refunds", []]}]}
    return {"$set": {"refunds": refunds, "refunded": {"$add": ["$refunded", refund["amount"]]}}}


def _entry(at: datetime, amount: Any, **texts: str) -> Document:
    return {"at": at, "amount": amount, **{name: literal(text) for name, text in texts.items()}}


def refund_fits(amount: Decimal, *, leaves_some: bool) -> Document:
    """A guard: this amount is left of what was paid. :param leaves_some: and more than it."""
    return {"$expr": {"$lt" if leaves_some else "$lte": [{"$add": [_REFUNDED, stored(amount)]}, _PAID]}}


def refund_leaves_none(amount: Decimal) -> Document:
    """A guard: this amount is all that is left."""
    return {"$expr": {"$eq": [{"$add": [_REFUNDED, stored(amount)]}, _PAID]}}


def sums_of(order: Document) -> tuple[Decimal128, Decimal128, Decimal128]:
    """What was paid for an order, given back, and is owed, as stored; as the expressions above have it.

    :param order: with `status`, `total_price`, `paid_at`, `paid`, `refunded` and `owed`.
    """
    was_paid = order["status"] in PAID_STATUSES or order.get("paid_at") is not None
    paid = order.get("paid") or (order["total_price"] if was_paid else NOTHING)
    refunded = order.get("refunded") or (paid if order["status"] == Status.REFUNDED else NOTHING)
    return paid, refunded, order.get("owed") or NOTHING


def money_of(order: Document) -> tuple[Decimal, Decimal, Decimal]:
    """The same as decimals."""
    paid, refunded, owed = sums_of(order)
    return paid.to_decimal(), refunded.to_decimal(), owed.to_decimal()


def worth_of(items: Sequence[Document], charges: Sequence[Document] = ()) -> Decimal:
    """What the lines come to that are neither cancelled nor returned, with their part of the charges."""
    lines = [(item["price"].to_decimal() * item["quantity"], not item.get("removed")) for item in items]
    return worth(lines, [(charge["kind"], charge["amount"].to_decimal()) for charge in charges])
