"""The one type that says which orders: lists, alerts, exports, runs over many and purges all ask by it.

It names the index that reads its orders in the order of their creation, so that nothing depends on what the planner
guesses.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from bson import Decimal128, ObjectId
from django.utils.translation import gettext as _

from orders.models import EPOCH, PUBLIC_STATUSES, Document, LineState, Status
from orders.storage.alerts import OPEN, alert_rules
from orders.storage.order_numbers import ids_by_number
from orders.storage.order_writes import orders
from orders.storage.term_index import Read, Word, reads_of

PUBLIC: Document = {"$in": list(PUBLIC_STATUSES)}
FEW = 7_000
"""Up to so many orders are looked at one by one; of more, a walk from the newest soon meets a page."""
ANY_TIME: Document = {"created_at": {"$gt": EPOCH}}
"""Without a condition on its first field MongoDB would test the others of an index on the orders themselves."""
SETTLED: Document = {
    "stock_due_at": None,
    "items": {
        "$type": "array",
        "$not": {
            "$elemMatch": {
                "$or": [
                    {"stock.state": {"$nin": [LineState.NONE.value, LineState.RELEASED.value]}},
                    {"stock.attempt": {"$ne": None}},
                    {"stock.discrepancy": {"$gt": 0}},
                ]
            }
        },
    },
}
"""Nothing is due, and each line is `none` or `released` without an attempt or missing units."""

NOBODY = "nobody"
"""In place of a colleague: open orders that are assigned to nobody; the index `unassigned_newest` has no others."""

Key = ObjectId | str
"""An order as somebody names it: by its id, or by its number."""


class OrderKeys(Collection[Key]):
    """Orders by name, each once, in the order given; as bytes a million take half of what ObjectIds do."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._packed: dict[bytes | str, None] = {}
        for key in keys:
            self.add(key)

    def add(self, key: Key) -> None:
        self._packed[_packed(key)] = None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, Key) and _packed(key) in self._packed

    def __iter__(self) -> Iterator[Key]:
        return (ObjectId(packed) if isinstance(packed, bytes) else packed for packed in self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def _packed(key: Key) -> bytes | str:
    return key.binary if isinstance(key, ObjectId) else key


@dataclass(frozen=True, order=True)
class Position:
    """A place among orders: an order's creation (naive UTC, as stored) and id."""

    created_at: datetime
    id: ObjectId


@dataclass(frozen=True)
class TotalPosition:
    """A place among orders by total, of which equal ones stand as the index `total_newest` has them."""

    total: Decimal
    created_at: datetime
    id: ObjectId


@dataclass(frozen=True)
class AgePosition:
    """A place among orders by when they came to their status (naive UTC, as stored), of which equal ones go by id."""

    since: datetime
    id: ObjectId


Place = Position | TotalPosition | AgePosition


@dataclass(frozen=True)
class Meanings:
    """What a text that is searched by may mean; an order that is any of it is found.

    :ivar words: an order has to have them all.
    :ivar code: the whole text as one word that was typed with blanks.
    """

    number: str | None = None
    order_id: ObjectId | None = None
    user_id: str | None = None
    product_id: str | None = None
    words: tuple[Word, ...] = ()
    code: Word | None = None

    def reads(self) -> list[Read]:
        """:raises PyMongoError: words are counted, and a number is looked up: no other index is read as its is."""
        known = {
            "_id_": ("_id", {"$in": self._order_ids()} if self.number or self.order_id else None),
            "user_newest": ("user_id", self.user_id),
            "product_newest": ("items.product_id", self.product_id),
        }
        found = [Read(index, {path: value}) for index, (path, value) in known.items() if value is not None]
        return [
            *found,
            *(read for words in (self.words, self.code and (self.code,)) if words for read in reads_of(words)),
        ]

    def _order_ids(self) -> list[ObjectId]:
        numbered = ids_by_number([self.number])[self.number] if self.number else []
        return [*numbered, *([self.order_id] if self.order_id else [])]


IN_ORDER = {
    "user_newest": ("user_id",),
    "user_status_newest": ("user_id", "status"),
    "product_newest": ("items.product_id",),
    "status_newest": ("status",),
    "assigned_newest": ("assignee.id", "status"),
    "unassigned_newest": ("assignee", "status"),
    "tagged_newest": ("tag_keys", "status"),
}
"""Paths by which each of these indexes begins, before the order of creation."""
CLOCKS_DIFFER = timedelta(days=1)
"""No order came to a status so much before it was created, whichever servers told the time."""


@dataclass(frozen=True)
class Reached:
    """Orders that came to a status in a span of time, whatever they are now; each status has an index for it.

    :ivar status: one of DATED_STATUSES.
    :ivar since: then or later; `before`: earlier; both aware or naive UTC.
    """

    status: str
    since: datetime | None = None
    before: datetime | None = None

    @property
    def field(self) -> str:
        return f"{self.status}_at"

    @property
    def index(self) -> str:
        return f"{self.status}_newest"

    @property
    def condition(self) -> Document:
        """The first bound is the index's own: without it no span is known to lie within the index."""
        return _span({"$gt": EPOCH, "$gte": self.since, "$lt": self.before})


@dataclass(frozen=True)
class OrderQuery:
    """Orders that meet all of it; of `alerts` and of `meanings` an order needs one.

    :ivar ids: these orders at most.
    :ivar reference: just so.
    :ivar since: created then or later; `before`: created earlier; both aware or naive UTC.
    :ivar reached: they came to a status in a span of time.
    :ivar least: their total is so much or more; `most`: so much or less.
    :ivar assignee: the colleague whom they are assigned to, by the id of their login; or NOBODY.
    :ivar tag: they have it; by its key, see `orders.services.tags`.
    :ivar alerts: by their names, as they are at the moment `at`.
    :ivar lowest_first: by total instead: true for the lowest first, false for the highest. For lists alone.
    :ivar longest_first: by how long they have been in their status instead: true for the longest first, false for the
        latest change first. For lists alone.
    :ivar drafts: drafts and rejected orders, too, which it never finds otherwise.
    :ivar settled: only those whose stock is all accounted for: see SETTLED.
    :ivar keys: only these orders; None where they are not named. Meant for runs, and so are the next two.
    :ivar limit: at most so many, the oldest first.
    :ivar everything: every order is meant, where nothing else says which.
    """

    statuses: tuple[str, ...] = ()
    user_id: str | None = None
    product_id: str | None = None
    ids: tuple[ObjectId, ...] | None = None
    reference: str = ""
    since: datetime | None = None
    before: datetime | None = None
    reached: Reached | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    assignee: str | None = None
    tag: str = ""
    alerts: tuple[str, ...] = ()
    at: datetime = EPOCH
    meanings: Meanings | None = None
    oldest_first: bool = False
    lowest_first: bool | None = None
    longest_first: bool | None = None
    drafts: bool = False
    settled: bool = False
    keys: OrderKeys | None = None
    limit: int | None = None
    everything: bool = False

    @property
    def problems(self) -> dict[str, str]:
        """What makes no sense, by field, for people."""
        found = {}
        spans = [(self.since, self.before), *([(self.reached.since, self.reached.before)] if self.reached else [])]
        if any(since and before and _utc(since) >= _utc(before) for since, before in spans):
            found["since"] = _("The span of time ends before it begins.")
        if self.least is not None and self.most is not None and self.least > self.most:
            found["least"] = _("The minimum total is higher than the maximum.")
        if self.assignee == NOBODY and not self.any_status:
            found["assigned"] = _("Only open orders are listed as assigned to nobody.")
        if self.product_id is not None and not re.fullmatch("[0-9a-f]{24}", self.product_id):
            found["product_id"] = _("A product id has 24 hexadecimal digits.")
        return found

    @property
    def narrows(self) -> bool:
        """Whether any condition but the keys is given."""
        return self.is_for_lists or any((self.statuses, self.since, self.before, self.user_id, self.product_id))

    @property
    def is_for_lists(self) -> bool:
        """Whether only a list can look for these orders: a run, which takes its time, cannot."""
        of_total = self.least is not None or self.most is not None
        named = self.ids is not None or bool(self.reference or self.tag or self.assignee)
        return bool(self.alerts or self.meanings or self.reached or of_total or named)

    @cached_property
    def conditions(self) -> Document:
        """The filter, by field; but for alerts, meanings, keys and the limit."""
        asked: Document = dict(SETTLED) if self.settled else {}
        if self.ids is not None:
            asked["_id"] = {"$in": list(self.ids)}
        if self.reference:
            asked["reference"] = self.reference
        if self.user_id is not None:
            asked["user_id"] = self.user_id
        if self.product_id is not None:
            asked["items.product_id"] = self.product_id
        if self.assignee is not None:
            asked |= {"assignee": None} if self.assignee == NOBODY else {"assignee.id": self.assignee}
        if self.tag:
            asked["tag_keys"] = self.tag
        if self.statuses or not self.drafts or self.assignee is not None or self.tag:
            asked["status"] = self._of_statuses()
        if self.since or self.before:
            asked["created_at"] = _span({"$gte": self.since, "$lt": self.before})
        if self.reached:
            asked[self.reached.field] = self.reached.condition
        if self.least is not None or self.most is not None:
            asked["total_price"] = _span({"$gte": _stored(self.least), "$lte": _stored(self.most)})
        return asked

    @property
    def any_status(self) -> list[str]:
        """The statuses that an order may be in."""
        every = OPEN if self.assignee == NOBODY else [*Status] if self.drafts else PUBLIC_STATUSES
        return [status for status in dict.fromkeys(self.statuses or every) if status in every]

    def _of_statuses(self) -> Any:
        if not self.statuses and not self.drafts and self.assignee is None:
            return PUBLIC
        wanted = [str(status) for status in self.any_status]
        return wanted[0] if len(wanted) == 1 else {"$in": wanted}

    def after(self, position: Position | None) -> Document:
        """What comes after a position, in the order of the query."""
        if position is None:
            return {}
        past = "$gt" if self.oldest_first else "$lt"
        later = [{"created_at": {past: position.created_at}}, {"_id": {past: position.id}}]
        return {"created_at": {f"{past}e": position.created_at}, "$or": later}

    def after_total(self, position: TotalPosition | None) -> Document:
        """What comes after a position by total: bounds of the index, so that nothing before it is looked at."""
        if position is None:
            return {}
        past, older = ("$gt", "$lt") if self.lowest_first else ("$lt", "$gt")
        total, moment = Decimal128(position.total), position.created_at
        return {
            "$or": [
                {"total_price": total, "created_at": moment, "_id": {older: position.id}},
                {"total_price": total, "created_at": {older: moment}},
                {"total_price": {past: total}},
            ]
        }

    def after_age(self, position: AgePosition | None) -> Document:
        """What comes after a position by the time in a status, with a bound of the index."""
        if position is None:
            return {}
        past = "$gt" if self.longest_first else "$lt"
        later = [{"status_since": {past: position.since}}, {"_id": {past: position.id}}]
        return {"status_since": {f"{past}e": position.since}, "$or": later}

    @property
    def is_sorted(self) -> bool:
        """Whether the list has another order than that of creation."""
        return self.lowest_first is not None or self.longest_first is not None

    @property
    def by_creation(self) -> "OrderQuery":
        """The same orders in the order of creation."""
        return replace(self, lowest_first=None, longest_first=None) if self.is_sorted else self

    @property
    def turned(self) -> "OrderQuery":
        """The same list from its other end."""
        if self.longest_first is not None:
            return replace(self, longest_first=not self.longest_first)
        if self.lowest_first is not None:
            return replace(self, lowest_first=not self.lowest_first)
        return replace(self, oldest_first=not self.oldest_first)

    @cached_property
    def reads(self) -> list[Read]:
        """What to ask, each with the index that reads it in the order of creation: one read for each alert or meaning.

        :raises PyMongoError: it may have to count, to choose the index.
        """
        rules = [alert_rules(self.at)[alert] for alert in self.alerts]
        flagged = [Read(rule.index, rule.walked) for rule in rules]
        if not self.meanings:
            return [Read(read.index, both(read.filter, self.conditions)) for read in flagged] or [self._plain_read()]
        any_alert = {"$or": [read.filter for read in flagged]} if flagged else {}
        return [read.narrowed(self.conditions, any_alert) for read in self.meanings.reads()]

    def one_read(self) -> Read:
        """All reads in one; of several the planner merges the indexes, each of which is in order.

        What a search finds is asked for by id, or, where that may be too much, by a walk through all orders.

        :raises PyMongoError: see :meth:`reads`; and a search looks for its orders.
        """
        if self.meanings:
            return self.found_read()
        reads = self.reads
        return reads[0] if len(reads) == 1 else Read(None, {"$or": [read.filter for read in reads]})

    def found_read(self) -> Read:
        """What the reads find, by id; where that is too much, a walk through all orders that asks for the same.

        :raises PyMongoError: see :meth:`reads`; and its orders are looked for.
        """
        reads = self.reads
        ids: set[ObjectId] = set()
        for read in reads:
            found = [] if read.instead else _first_ids(read, FEW + 1)
            if read.instead or len(found) > FEW:
                return Read("newest", {"$or": [read.filter for read in reads]})
            ids.update(found)
        return Read("_id_", {"_id": {"$in": list(ids)}})

    def _plain_read(self) -> Read:
        index = self.index()
        asked = (ANY_TIME if index == "newest_status_total" else {}) | self.conditions
        if not self.reached or index in (self.reached.index, "_id_", "reference_newest"):
            return Read(index, asked)
        reached = Read(self.reached.index, asked, {self.reached.field: self.reached.condition})
        by_index = {path: self.conditions[path] for path in IN_ORDER.get(index, ()) if path in self.conditions}
        if self.reached.before:  # a walk by creation begins where they may be
            created: Document = {"created_at": {"$lt": self.reached.before + CLOCKS_DIFFER}}
            asked, by_index = both(asked, created), both(by_index, created)
        return Read(index, asked, by_index, instead=(reached,))

    def index(self, few: int | None = None) -> str:
        """The index that reads least: of what is asked for, what the fewest orders have.

        :param few: so many are counted at most, to learn what the fewest orders have; FEW by default.
        :raises PyMongoError: orders may be counted.
        """
        asked, few = self.conditions, few or FEW
        if self.ids is not None or self.reference:
            return "_id_" if self.ids is not None else "reference_newest"
        if self.user_id is not None:
            return "user_status_newest" if "status" in asked else "user_newest"
        if self.assignee is not None:
            return "unassigned_newest" if self.assignee == NOBODY else "assigned_newest"
        in_order = {"product_newest": "items.product_id", "tagged_newest": "tag_keys"}
        in_order |= {"status_newest": "status"} if self.statuses else {}
        of_span = {"total_newest": "total_price"} | ({self.reached.index: self.reached.field} if self.reached else {})
        given = {index: path for index, path in (in_order | of_span).items() if path in asked}
        if len(given) > 1 or not given.keys() <= in_order.keys():
            counts = {index: self._count(index, path, few + 1) for index, path in given.items()}
            fewest = min(counts, key=lambda index: counts[index])
            if counts[fewest] <= few:
                return fewest
        if "total_price" in asked and self.product_id is None and not self.tag:
            return "newest_status_total"
        walked = [index for index in given if index in in_order]
        return walked[0] if walked else "newest" if self.drafts else "status_newest"

    def _count(self, index: str, path: str, most: int) -> int:
        """How many orders an index leads to, up to `most`."""
        within = path in ("items.product_id", "tag_keys", "status")
        bounds = ["created_at"] if within else []  # of a span of totals or moments, each would be looked at
        asked = {name: self.conditions[name] for name in (path, *bounds) if name in self.conditions}
        return orders().count_documents(asked, limit=most, hint=index)


def both(*filters: Document) -> Document:
    """A filter that asks for all of them."""
    asked = [asked for asked in filters if asked]
    return {"$and": asked} if len(asked) > 1 else asked[0] if asked else {}


def _first_ids(read: Read, most: int) -> list[ObjectId]:
    return [order["_id"] for order in orders().find(read.filter, {"_id": 1}, limit=most, hint=read.index)]


def _span(bounds: Mapping[str, Any]) -> Document:
    return {operator: bound for operator, bound in bounds.items() if bound is not None}


def _stored(total: Decimal | None) -> Decimal128 | None:
    return None if total is None else Decimal128(total)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
