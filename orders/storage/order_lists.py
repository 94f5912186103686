"""Reading the orders of a query: a page of the backoffice's list, or all of them in batches.

A page is read in two steps: its places off an index, in the order of their creation, then its orders by their ids. It
is found by position instead of by number, so that the thousandth costs what the first does. Nothing that somebody waits
for is counted beyond a cap.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django_mongodb_backend.query import wrap_database_errors

from orders.models import Contact, Item, Order, Snooze, Stock
from orders.models.parts import Document
from orders.storage.database import Expression, time_limit
from orders.storage.foreign_orders import count_foreign, foreign_among
from orders.storage.order_query import ANY_TIME, OrderQuery, Place, Position, both
from orders.storage.order_writes import OURS, orders
from orders.storage.sorted_lists import sorted_places
from orders.storage.term_index import MOST_WALKED, Read

T = TypeVar("T")

BATCH_TIMEOUT = 60.0
"""Seconds for one batch: nobody waits for it, and a filter without an index may have to pass by many orders."""
COUNT_TIMEOUT = 5.0
STOCK_FIELDS = ("state", "call", "discrepancy")
FIELDS = dict.fromkeys(
    (
        *("number", "user_id", "user_verified", "status", "total_price", "created_at", "status_since", "stock_due_at"),
        *("currency", "contact.name", "contact.email", "owed", "held_at", "snoozed"),
        *("items.product_id", "items.name", "items.quantity", *(f"items.stock.{name}" for name in STOCK_FIELDS)),
    ),
    1,
)
"""What a row of the list shows."""
KEYS = {"created_at": 1, "_id": 1}
"""What is read off an index alone."""
LOOKED_AT, LOOKED_AT_WHERE_SPARSE = 4, 32
"""So many keys are read first for each order that is wanted: they may have to be sorted again to get at the next."""
LOOKED_AT_AT_ONCE = 1_600
"""So many orders are looked at by one query."""
MOST_LOOKED_AT = 5_000
"""So many orders are looked at for a page, by each read."""


def currency() -> Expression:
    """The currency of an order; where it has none, the shop's."""
    return {"$cond": [{"$gt": ["$currency", ""]}, "$currency", settings.CURRENCY]}


@dataclass(frozen=True)
class Page:
    """Orders in the order of the list, where it begins and ends, and whether there are others before and after.

    :ivar reached: where looking for its orders has ended before the page was full, since MOST_LOOKED_AT had been looked
        at; there may be others after it.
    """

    orders: Sequence[Order] = ()
    places: Sequence[Place] = ()
    earlier: bool = False
    later: bool = False
    reached: Position | None = None


@dataclass(frozen=True)
class Sum:
    """How many orders there are in a currency, and what they come to."""

    currency: str
    orders: int
    total: Decimal


@wrap_database_errors
def page_after(query: OrderQuery, size: int, position: Place | None = None) -> Page:
    """The page that follows a position, or the first one."""
    return _page_of(query, size, position)[0]


@wrap_database_errors
def first_page(query: OrderQuery, size: int, most: int, seconds: float) -> tuple[Page, Sequence[Place] | None]:
    """The first page, and the places of the first orders, up to `most`.

    :returns: for the places None where they take longer than `seconds`, or where many orders had to be looked at.
    """
    page, found = _page_of(query, size, None)
    return page, None if page.reached else _with_more(query, found, size, most, seconds)


def _page_of(query: OrderQuery, size: int, position: Place | None) -> tuple[Page, Sequence[Place]]:
    """A page, and the places that were found for it."""
    ends: list[Position] = []
    found = _places(query, size + 1, position, ends)
    is_full = len(found) > size
    reached = None if is_full else _first_end(ends, query)
    orders = _orders([place.id for place in found[:size]])
    return Page(orders, found[:size], position is not None, is_full or reached is not None, reached), found


def _with_more(
    query: OrderQuery, found: Sequence[Place], size: int, most: int, seconds: float
) -> Sequence[Place] | None:
    if len(found) <= size:
        return found
    in_turn = query.by_creation
    if query.meanings and any(read.sparse or read.instead for read in in_turn.reads):
        return None
    return _in_time(seconds, lambda: _places(in_turn, most))


def _in_time(seconds: float, read: Callable[[], T]) -> T | None:
    """What is read; None where it takes longer, in whichever of its reads."""
    try:
        with time_limit(seconds):
            return wrap_database_errors(read)()
    except DatabaseError as error:
        if getattr(error.__cause__, "timeout", False):
            return None
        raise


@wrap_database_errors
def page_before(query: OrderQuery, size: int, position: Place) -> Page:
    """The page that ends before a position; the first one where no whole page is left.

    It is shorter where looking for its orders has ended before it was full.
    """
    ends: list[Position] = []
    found = _places(query.turned, size + 1, position, ends)
    if not found or (len(found) <= size and not ends):
        return page_after(query, size)
    places = found[:size][::-1]
    return Page(_orders([place.id for place in places]), places, earlier=True, later=True)


@wrap_database_errors
def neighbours(query: OrderQuery, position: Place) -> tuple[Place | None, Place | None]:
    """The places before and after one: of the list's ends, None. The order of the place need no longer be in it."""
    before, after = _places(query.turned, 1, position, []), _places(query, 1, position, [])
    return before[0] if before else None, after[0] if after else None


@wrap_database_errors
def first_ids(query: OrderQuery, most: int) -> list[ObjectId]:
    """Ids of the first orders, up to `most`, in the order of the list."""
    return [place.id for place in _places(query, most)]


def orders_with_ids(ids: Sequence[ObjectId]) -> list[Order]:
    """Whole orders by one query, in the order of their ids; one that has gone is left out."""
    found = Order.objects.filter(version__gte=0).in_bulk(list(ids))
    return [found[order_id] for order_id in ids if order_id in found]


@wrap_database_errors
def documents(
    query: OrderQuery, fields: Mapping[str, Any], *, after: Position | None = None, skip: int = 0, limit: int
) -> list[Document]:
    """Orders with these fields, as many, in the order of the query."""
    return _documents([place.id for place in _places(query, skip + limit, after)[skip:]], fields)


@wrap_database_errors
def size(query: OrderQuery, most: int) -> int:
    """How many orders there are, counted up to `most`."""
    return len(_places(query, most))


@wrap_database_errors
def sums(query: OrderQuery, most: int, found: Sequence[Place] | None = None) -> tuple[list[Sum], bool]:
    """What the orders come to, by currency, the most orders first, and whether there are others.

    :param most: so many orders are added up: the newest, or the oldest where these are first.
    :param found: the places of one more than these, where they are known.
    """
    found = _places(query.by_creation, most + 1) if found is None else found
    pipeline = [
        {"$match": {"_id": {"$in": [place.id for place in found[:most]]}}},
        {"$group": {"_id": currency(), "orders": {"$sum": 1}, "total": {"$sum": "$total_price"}}},
    ]
    each = [Sum(row["_id"], row["orders"], row["total"].to_decimal()) for row in orders().aggregate(pipeline)]
    return sorted(each, key=lambda added: (-added.orders, added.currency)), len(found) > most


def _places(
    query: OrderQuery, limit: int, position: Place | None = None, ends: list[Position] | None = None
) -> Sequence[Place]:
    """Places in order, merged from the reads; an order that several of them find is one.

    :param ends: if given, each read looks at MOST_LOOKED_AT orders at most, and adds where it ended before its last;
        places beyond that are left out.
    """
    if query.is_sorted:
        return sorted_places(query, limit, position)
    found: set[Position] = set()
    start = position if isinstance(position, Position) else None
    for read in query.reads:
        found.update(_places_of(read, query, limit, start, ends))
    end = _first_end(ends or [], query)
    left = [place for place in found if end is None or not _follows(place, end, query)]
    return sorted(left, reverse=not query.oldest_first)[:limit]


def _first_end(ends: Sequence[Position], query: OrderQuery) -> Position | None:
    """The place that one of the reads has not looked beyond."""
    return (min if query.oldest_first else max)(ends, default=None)


def _places_of(
    read: Read, query: OrderQuery, limit: int, position: Position | None, ends: list[Position] | None
) -> list[Position]:
    if read.instead:
        if (walked := _walked(read, query, limit, position)) is not None:
            return walked
        return [place for other in read.instead for place in _places_of(other, query, limit, position, ends)]
    if read.by_index is not None:
        return _by_index(read, query, limit, position, ends)
    return _index_places(read, query, position, limit)


def _looks(read: Read) -> bool:
    """Whether orders have to be looked at, beyond what the index tells."""
    return read.by_index is not None and read.filter != read.by_index


def _index_places(read: Read, query: OrderQuery, position: Position | None, limit: int) -> list[Position]:
    """Places read off the index alone; where some are foreign, which it does not tell, off the orders."""
    found = _find(read, query, position, {"created_at": 1}, limit)
    if len(_ours(found)) < len(found):
        found = _find(read.narrowed(OURS), query, position, {"created_at": 1}, limit)
    return [_place(order) for order in found]


def _ours(found: Sequence[Document]) -> Sequence[Document]:
    """Of what was read off an index, what is not foreign: as far as is known yet, and as far as it has a place."""
    theirs = foreign_among([order["_id"] for order in found]) if found else ()
    placed = [order for order in found if type(order["_id"]) is ObjectId and type(order.get("created_at")) is datetime]
    return [order for order in placed if order["_id"] not in theirs] if theirs else placed


def _by_index(
    read: Read, query: OrderQuery, limit: int, position: Position | None, ends: list[Position] | None
) -> list[Position]:
    """Places read off the index alone, whose orders are looked at in the order of the list, as far as it takes.

    :param ends: see :func:`_places`.
    """
    asked, way = both(read.by_index or {}, _span_left(query, position)), 1 if query.oldest_first else -1
    found: list[Position] = []
    looked_at = LOOKED_AT_WHERE_SPARSE if read.sparse else LOOKED_AT
    start, size = 0, looked_at * limit if _looks(read) else limit + 1
    while True:
        if ends is not None and start < MOST_LOOKED_AT:
            size = min(size, MOST_LOOKED_AT - start)
        keys = orders().find(asked, KEYS, sort=[("created_at", way), ("_id", way)], hint=read.index)
        page = keys.skip(start).limit(size).batch_size(size).to_list()
        places = [_place(order) for order in _ours(page)]
        left = [place for place in places if position is None or _follows(place, position, query)]
        found += _that_meet(read.filter, left, limit - len(found)) if _looks(read) else left
        if len(found) >= limit or len(page) < size:
            return found[:limit]
        start, size = start + size, 8 * size
        if ends is not None and start >= MOST_LOOKED_AT and left:
            ends.append(left[-1])
            return found


def _that_meet(conditions: Document, places: Sequence[Position], wanted: int) -> list[Position]:
    """The first of these orders that meet them: as many as are wanted, or some more."""
    found: list[Position] = []
    for start in range(0, len(places), LOOKED_AT_AT_ONCE):
        some = places[start : start + LOOKED_AT_AT_ONCE]
        asked = both({"_id": {"$in": [place.id for place in some]}}, conditions, OURS)
        ids = {order["_id"] for order in orders().find(asked, {"_id": 1}, hint="_id_")}
        found += [place for place in some if place.id in ids]
        if len(found) >= wanted:
            break
    return found


def _follows(place: Position, position: Position, query: OrderQuery) -> bool:
    return place > position if query.oldest_first else place < position


def _walked(read: Read, query: OrderQuery, limit: int, position: Position | None) -> list[Position] | None:
    """What a walk finds; None where it has passed MOST_WALKED orders, and has not found as many as are wanted."""
    way, behind = (1, "$lte") if query.oldest_first else (-1, "$gte")
    passed = both(read.by_index or {}, _span_left(query, position), ANY_TIME)
    left = orders().find(passed, KEYS, sort=[("created_at", way), ("_id", way)], hint=read.index)
    ends = [{"created_at": {behind: order["created_at"]}} for order in left.skip(MOST_WALKED).limit(1)]
    found = _index_places(read.narrowed(*ends), query, position, limit)
    return found if not ends or len(found) == limit else None


def _span_left(query: OrderQuery, position: Position | None) -> Document:
    """When the orders that are left were created: what an index tells without them."""
    span = {name: value for name, value in query.conditions.items() if name == "created_at"}
    ahead = "$gte" if query.oldest_first else "$lte"
    return both(span, {"created_at": {ahead: position.created_at}} if position else {})


def _place(order: Document) -> Position:
    return Position(order["created_at"], order["_id"])


def _find(
    read: Read, query: OrderQuery, position: Position | None, fields: Mapping[str, Any] | None, limit: int
) -> list[Document]:
    way = 1 if query.oldest_first else -1
    asked = read.narrowed(query.after(position)).filter
    cursor = orders().find(asked, fields, sort=[("created_at", way), ("_id", way)], limit=limit, hint=read.index)
    return cursor.batch_size(limit).to_list()


def _orders(ids: Sequence[ObjectId]) -> list[Order]:
    return [_order(document) for document in _documents(ids, FIELDS)]


def _documents(ids: Sequence[ObjectId], fields: Mapping[str, Any]) -> list[Document]:
    """Orders by their ids, in this order; one that has gone meanwhile is left out."""
    found = {document["_id"]: document for document in orders().find({"_id": {"$in": list(ids)}, **OURS}, fields)}
    return [found[order_id] for order_id in ids if order_id in found]


def _order(document: Document) -> Order:
    return Order(
        id=document["_id"],
        total_price=document["total_price"].to_decimal(),
        owed=document["owed"].to_decimal() if "owed" in document else None,
        currency=document.get("currency") or settings.CURRENCY,
        contact=Contact(**(document.get("contact") or {})),
        snoozed=_snooze(document.get("snoozed")),
        items=[
            Item(
                product_id=item["product_id"],
                name=item.get("name") or "",
                quantity=item["quantity"],
                stock=Stock(**{name: item["stock"].get(name) for name in STOCK_FIELDS}),
            )
            for item in document["items"]
        ],
        **{name: document[name] for name in ("number", "user_id", "user_verified", "status")},
        **{name: _aware(document.get(name)) for name in ("created_at", "status_since", "stock_due_at", "held_at")},
    )


def _snooze(stored: Document | None) -> Snooze | None:
    return Snooze(until=_aware(stored["until"]), alerts=stored["alerts"]) if stored else None


def _aware(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=UTC)


@wrap_database_errors
def batches(
    query: OrderQuery, fields: Mapping[str, Any] | None = None, *, size: int = 1000
) -> Iterator[list[Document]]:
    """The orders of a query, in its order, in lists of up to `size`.

    Each list is a query of its own that begins where the last one ended: however long the caller takes between two
    of them, no cursor lapses. An order that is placed meanwhile is not among them; none comes twice.

    :param fields: the projection; `created_at` must be in it.
    :raises DatabaseError: at once where the index cannot be chosen, else between two lists.
    """
    return _batches(query.one_read(), query, fields, size)


def _batches(read: Read, query: OrderQuery, fields: Mapping[str, Any] | None, size: int) -> Iterator[list[Document]]:
    after: Position | None = None
    while batch := _batch(read, query, after, fields, size):
        yield batch
        if len(batch) < size:
            return
        after = Position(batch[-1]["created_at"], batch[-1]["_id"])


@wrap_database_errors
def _batch(
    read: Read, query: OrderQuery, after: Position | None, fields: Mapping[str, Any] | None, size: int
) -> list[Document]:
    orders()  # connects, where nothing is connected yet: for that the usual limit holds, not the long one of a batch
    with time_limit(BATCH_TIMEOUT):
        return _find(read.narrowed(OURS), query, after, fields, size)


@wrap_database_errors
def count(query: OrderQuery) -> int | None:
    """How many orders match; None where counting them takes too long."""
    return _in_time(COUNT_TIMEOUT, lambda: _count(query))


def _count(query: OrderQuery) -> int:
    read = query.one_read()
    if not read.filter:
        found = orders().estimated_document_count()
    else:
        options: dict[str, Any] = {"hint": read.index} if read.index else {}
        found = orders().count_documents(read.filter, **options)
    return found - count_foreign(found, read.filter) if found else 0
