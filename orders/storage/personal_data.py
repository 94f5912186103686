"""Where orders hold personal data, how the orders of a person are found, and the write that erases it.

What stays of an order is money, goods, stock, the country, its numbers, and its history without the texts that people
wrote (docs/privacy.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo.collation import Collation

from orders.models import DUE_STATES, EPOCH, Address, Document, LineState, Status, statuses_before
from orders.storage.database import new_id, time_limit
from orders.storage.order_lists import BATCH_TIMEOUT, batches
from orders.storage.order_query import OrderQuery, both
from orders.storage.order_writes import OURS, guarded_write, orders

FIELDS = ("contact", "billing_address", "note", "metadata")
"""Removed as a whole."""
TEXTS = {"shipments": ("tracking_number", "tracking_url"), "payments": ("reference",), "refunds": ("reference",)}
"""What is emptied in each part of these: it leads to a person by way of a carrier, or of a bank."""
KEPT_DETAILS = frozenset(
    {"ship", "ship_part", "cancel", "cancel_part", "open_return", "receive_return", "assign", "unassign"}
)
"""Acts whose details name goods, or colleagues, and no more."""
KEPT_ACTS = ("import", "adopt", "erase")
"""Their entries keep their texts: the order's number in an imported file, what was filled in, and why its personal data
was erased."""
NOTE = "note"
PROCESS = "system:"
"""How the labels of actors begin that are no people."""
FINISHED = tuple(status.value for status in Status if status not in {*statuses_before("ship"), Status.PLACING})
"""Statuses in which nobody needs the address any more; the index `erasable` is of these."""
OWED_STATES = (*DUE_STATES, LineState.UNKNOWN.value)
CASELESS = Collation("en", strength=2)
"""That of the index `contact_email`: people write their address in capitals one day and without them the next."""
BATCH = 100


@dataclass(frozen=True)
class Customer:
    """Whose orders are meant: those of this user, and those whose contact has this e-mail address."""

    user_id: str | None = None
    email: str | None = None


def orders_of(customer: Customer) -> Iterator[Document]:
    """Every order of a customer, drafts too, each once, whole; those of the user come first.

    :raises DatabaseError: also between two orders.
    """
    if customer.user_id is not None:
        query = OrderQuery(user_id=customer.user_id, drafts=True, oldest_first=True)
        yield from chain.from_iterable(batches(query, size=BATCH))
    if customer.email is not None:
        found = _walk({"contact.email": customer.email}, "_id", hint="contact_email", collation=CASELESS)
        yield from (order for order in found if order["user_id"] != customer.user_id)


def erasable(before: datetime) -> Iterator[ObjectId]:
    """The finished orders that hold personal data and owe no stock, placed and last changed in status before a moment.

    The first two conditions are those of the index, from which an order is gone once it is erased.
    """
    query: Document = {
        "status": {"$in": list(FINISHED)},
        "shipping_address.line1": {"$gt": ""},
        "created_at": {"$lt": before},
        "status_since": {"$not": {"$gte": before}},
        "stock_due_at": None,
        "items.stock.state": {"$nin": list(OWED_STATES)},
    }
    found = _walk(query, "created_at", hint="erasable", projection={"created_at": 1})
    return (order["_id"] for order in found)


def erased() -> Iterator[ObjectId]:
    """The orders from which personal data was erased, the first erased first."""
    found = _walk({"erased_at": {"$gt": EPOCH}}, "erased_at", hint="erased", projection={"erased_at": 1})
    return (order["_id"] for order in found)


def _walk(query: Document, by: str, **options: Any) -> Iterator[Document]:
    """The orders of a query, by a field and their ids, each batch a query of its own: no cursor lapses meanwhile."""
    after: Document = {}
    while found := _batch(both(query, after, OURS), by, options):
        yield from found
        place, last = found[-1][by], found[-1]["_id"]
        after = {by: {"$gte": place}, "$or": [{by: {"$gt": place}}, {"_id": {"$gt": last}}]}


@wrap_database_errors
def _batch(query: Document, by: str, options: Document) -> list[Document]:
    collection = orders()  # connects, where nothing is connected yet: for that the usual limit holds
    sort = [(name, 1) for name in dict.fromkeys((by, "_id"))]
    with time_limit(BATCH_TIMEOUT):
        return collection.find(query, sort=sort, limit=BATCH, **options).to_list()


def owes_stock(order: Document) -> bool:
    """Tell whether inventory, or a person, has still to say what became of an order's stock."""
    return bool(order.get("stock_due_at")) or any(item["stock"]["state"] in OWED_STATES for item in order["items"])


def is_left_in(order: Document) -> bool:
    """Tell whether there is something to erase."""
    return (
        any(order.get(name) for name in FIELDS)
        or any(text for name, text in order["shipping_address"].items() if name != "country")
        or "@" in order["user_id"]
        or any(order[name] != part for name, part in _parts_without_texts(order).items())
        or any(entry != _without_texts(entry) for entry in order["history"])
    )


def erase(order: Document, entry: Document, *, user_id: str, terms: Sequence[str]) -> Document | None:
    """Erase the personal data of an order, past addresses and what people wrote into its history included.

    The history is written whole, and only if it is as it was read: outcomes of stock are added to it at any version.

    :param order: the whole document, as read.
    :param entry: what the history says about it; see :func:`orders.storage.order_writes.history_entry`.
    :param user_id: the order's from now on: as it was, or what stands for one that is an e-mail address.
    :param terms: the words by which it is found from now on.
    :returns: the document as it is after it; None where the order has changed since it was read.
    :raises DatabaseError: it may or may not have happened.
    """
    write_id, history = new_id(), order["history"]
    before, after = (f"customer:{known}" for known in (order["user_id"], user_id))
    texts = [_without_texts(told) for told in history]
    told = [entry | {"actor": after} if entry["actor"] == before else entry for entry in texts]
    guard = {"status": order["status"], "version": order["version"], "history": {"$size": len(history)}}
    fields = {
        "user_id": user_id,
        "shipping_address": _country_alone(order),
        "history": told,
        "terms": list(terms),
        **_parts_without_texts(order),
        "erased_at": entry["at"],
    }
    return guarded_write(
        order["_id"], guard=guard, entries=[entry], fields=fields, unset=FIELDS, seen_at=entry["at"], write_id=write_id
    )


def _country_alone(order: Document) -> Document:
    names = (field.name for field in Address._meta.concrete_fields if not field.primary_key)
    return dict.fromkeys(names, "") | {"country": order["shipping_address"]["country"]}


def _parts_without_texts(order: Document) -> Document:
    """What stays of parcels, payments and refunds; of a hold why it was one of the short list; and of a snooze."""
    parts: Document = {
        name: [part | {text: "" for text in texts if text in part} for part in order[name]]
        for name, texts in TEXTS.items()
        if order.get(name)
    }
    return parts | {name: order[name] | {"reason": ""} for name in ("hold", "snoozed") if order.get(name)}


def _without_texts(entry: Document) -> Document:
    """An entry as it stays. Of stock it tells all; else without what people wrote, and without the address before."""
    if entry.get("line") is not None or entry["act"] in KEPT_ACTS:
        return entry
    by_process = entry["actor"].startswith(PROCESS) and entry["act"] != NOTE
    kept = {name: value for name, value in entry.items() if name != "detail" or entry["act"] in KEPT_DETAILS}
    return kept | ({} if by_process else {"reason": ""})
