"""Which orders the backoffice asks for, and the index that reads them in the order of their creation.

What is asked for is a union of branches, one unless several flags or meanings of a search are wanted. Each branch
names its index, so that no page depends on what the planner guesses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import Decimal128, ObjectId
from django.db.models import TextChoices
from django_mongodb_backend.query import wrap_database_errors

from orders.models.order import Order
from orders.models.states import EPOCH, LineState, Status
from orders.storage.database import Document
from orders.storage.order_numbers import ids_by_number
from orders.storage.order_reads import STOCK_UNKNOWN
from orders.storage.order_writes import orders

FEW = 7_000
"""Up to so many orders are looked at one by one; of more, a walk from the newest soon meets a page."""

SHORT = timedelta(days=31)
"""The orders of so short a time are walked through without much ado."""

AT_ANY_TIME: Document = {"created_at": {"$gt": EPOCH}}
"""Without a condition on its first field MongoDB would test the others of an index on the orders themselves."""

TO_SHIP = (Status.PAID.value, Status.PROCESSING.value)
OPEN = (Status.PENDING.value, *TO_SHIP)


class Flag(TextChoices):
    """What staff should notice about an order."""

    UNKNOWN = "unknown", "Stock needs attention"
    OWED = "owed", "Stock owed for long"
    LATE = "late", "Waiting too long"
    UNCHECKED = "unchecked", "User not verified, order open"
    UNVERIFIED = "unverified", "User not verified"


@dataclass(frozen=True)
class Limits:
    """The moments (aware or naive UTC) before which an order has waited too long in its state.

    :ivar paid: paid, and not shipped since.
    :ivar placed: placed, and not paid since.
    :ivar owed: whose stock was owed to inventory then, and still is.
    """

    paid: datetime
    placed: datetime
    owed: datetime


@dataclass(frozen=True)
class Meanings:
    """What a text in the search box may mean; an order that is any of it is found."""

    number: str | None = None
    order_id: ObjectId | None = None
    user_id: str | None = None
    product_id: str | None = None

    def branches(self) -> list["Branch"]:
        """:raises DatabaseError: a number is looked up, since no other index is read as its is."""
        known = {
            "_id_": ("_id", {"$in": self._order_ids()} if self.number or self.order_id else None),
            "user_newest": ("user_id", self.user_id),
            "product_newest": ("items.product_id", self.product_id),
        }
        return [Branch(index, ({field: value},)) for index, (field, value) in known.items() if value is not None]

    def _order_ids(self) -> list[ObjectId]:
        numbered = ids_by_number([self.number])[self.number] if self.number else []
        return [*numbered, *([self.order_id] if self.order_id else [])]


@dataclass(frozen=True)
class Branch:
    """A conjunction of conditions, and the index that reads it; without one the planner chooses."""

    index: str | None
    conditions: tuple[Document, ...] = ()

    def query(self, *more: Document) -> Document:
        conditions = [condition for condition in (*self.conditions, *more) if condition]
        return {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else {}


@dataclass(frozen=True)
class Criteria:
    """Which orders the list shows. `since` is inclusive, `before` exclusive, `least` and `most` are inclusive.

    Of `flags` and of `meanings` an order needs one, of all the rest everything.
    """

    statuses: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    user_id: str | None = None
    product_id: str | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    since: datetime | None = None
    before: datetime | None = None
    meanings: Meanings | None = None
    oldest_first: bool = False

    @property
    def of_statuses(self) -> Document:
        return _unless_empty("status", {"$in": list(self.statuses)} if self.statuses else None)

    @property
    def of_total(self) -> Document:
        span = {"$gte": self.least, "$lte": self.most}
        return _unless_empty(
            "total_price", {name: Decimal128(value) for name, value in span.items() if value is not None}
        )

    @property
    def of_time(self) -> Document:
        span = {"$gte": self.since, "$lt": self.before}
        return _unless_empty("created_at", {name: value for name, value in span.items() if value is not None})

    def branches(self, limits: Limits) -> list[Branch]:
        """What to ask, each with the index that reads it in the order of creation."""
        plain = [
            _unless_empty("user_id", self.user_id),
            _unless_empty("items.product_id", self.product_id),
            self.of_statuses,
            self.of_total,
            self.of_time,
        ]
        flagged = [branch for flag in self.flags for branch in branches_of(flag, limits)]
        if self.meanings:
            leading = self.meanings.branches()
            plain.append({"$or": [branch.query() for branch in flagged]} if flagged else {})
        else:
            leading = flagged or [self._leading()]
        return [Branch(branch.index, (*branch.conditions, *filter(None, plain))) for branch in leading]

    @wrap_database_errors
    def as_one(self, limits: Limits) -> Branch:
        """All branches in one query; of several the planner merges the indexes, each of which is in order.

        :raises DatabaseError: it may have to count, to choose the index.
        """
        branches = self.branches(limits)
        return branches[0] if len(branches) == 1 else Branch(None, ({"$or": [branch.query() for branch in branches]},))

    def _leading(self) -> Branch:
        """The index that reads least: of what is asked for, what the fewest orders have."""
        if self.user_id is not None:
            return Branch("user_status_newest" if self.statuses else "user_newest")
        asked = {
            "product_newest": _unless_empty("items.product_id", self.product_id),
            "status_newest": self.of_statuses,
            "total_newest": self.of_total,
        }
        asked = {index: condition for index, condition in asked.items() if condition}
        is_short = self.since and self.before and self.before - self.since <= SHORT
        if self.of_total or (len(asked) > 1 and not is_short):
            index, least = fewest(asked, FEW + 1)
            if least <= FEW:
                return Branch(index)
        if self.of_total and self.product_id is None:
            return Branch("newest_status_total", (AT_ANY_TIME,))
        return Branch(next(iter(asked), "newest"))


def fewest(asked: Mapping[str, Document], most: int) -> tuple[str, int]:
    """Of several conditions, each with the index that knows it, the index of what the fewest orders meet, and how many.

    :param most: up to so many are counted; the first of equals is taken.
    """
    counts = {index: orders().count_documents(query, limit=most, hint=index) for index, query in asked.items()}
    return min(counts.items(), key=lambda pair: pair[1])


def branches_of(flag: str, limits: Limits) -> list[Branch]:
    """What a flag asks for. An order cannot have come to its status before it was created: that bounds the walk."""
    if flag == Flag.UNKNOWN:
        return [Branch("unknown_newest", (dict(STOCK_UNKNOWN),))]
    if flag == Flag.OWED:
        return [Branch("owed_newest", ({"stock_due_at": {"$gt": EPOCH}}, _in_status_since(limits.owed)))]
    if flag == Flag.LATE:
        to_ship: list[Document] = [{"status": status} | _in_status_since(limits.paid) for status in TO_SHIP]
        unpaid: Document = {"status": Status.PENDING.value, "created_at": {"$lt": limits.placed}}
        return [Branch("status_newest", (condition,)) for condition in (*to_ship, unpaid)]
    still = {"status": {"$in": list(OPEN)}} if flag == Flag.UNCHECKED else {}
    return [Branch("unverified_newest", ({"user_verified": False} | still,))]


def _in_status_since(moment: datetime) -> Document:
    return {"created_at": {"$lt": moment}, "status_since": {"$lt": moment}}


def _unless_empty(field: str, value: Any) -> Document:
    return {field: value} if value else {}


def flags_of(order: Order, limits: Limits) -> list[Flag]:
    """What staff should notice about an order: the same as the list finds by :func:`branches_of`."""
    since = order.status_since or order.created_at
    late = since < limits.paid if order.status in TO_SHIP else order.created_at < limits.placed
    told = {
        Flag.UNKNOWN: any(item.stock.state == LineState.UNKNOWN for item in order.items),
        Flag.OWED: order.stock_due_at is not None and since < limits.owed,
        Flag.LATE: order.status in OPEN and late,
        Flag.UNVERIFIED: not order.user_verified,
    }
    return [flag for flag, is_so in told.items() if is_so]
