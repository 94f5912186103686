"""Claims: lines that a guarded write put under an attempt, a lease: only its holder may call inventory for them."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError

from integrations import Deadline
from orders.models.states import Call
from orders.storage.database import Document, time_limit
from orders.storage.order_writes import disown

ABSENT: Document = {"$exists": False}
"""In a guard on `items.<index>.…`. Not None, which would match always: MongoDB also looks for a field by the name of
the index in each element, finds none, and takes that for null.
"""


@dataclass(frozen=True)
class Line:
    """A claimed line: what inventory is to be asked for it.

    :ivar repeat: an earlier attempt may have sent the same call.
    """

    index: int
    product_id: str
    quantity: int
    call: Call
    attempts: int
    repeat: bool = False


@dataclass(frozen=True)
class Claim:
    """Lines under one attempt; `lease` ends, on this process's clock, no later than the attempt does on mongod's."""

    order_id: ObjectId
    attempt: str
    lease: Deadline
    lines: tuple[Line, ...]


def new_lease() -> Deadline:
    """Start measuring a lease: before the write that claims, so that it ends here before it does on mongod's clock."""
    return Deadline.after(settings.STOCK_LEASE)


@contextmanager
def claiming(order_id: ObjectId, attempt: str, *, within: float | None = None) -> Iterator[None]:
    """Surround a write that claims lines: where it fails, nobody will be called under the attempt, and that is noted.

    :param within: seconds that the write may take. Where the caller's own time at the database ends, this must end
        sooner, so that it can be noted; otherwise the lines would be thought of as perhaps sent for.
    :raises DatabaseError: as the write did.
    """
    try:
        with nullcontext() if within is None else time_limit(within):
            yield
    except DatabaseError:
        with suppress(DatabaseError):
            disown(order_id, attempt)
        raise


def claim_of(document: Document, attempt: str, lease: Deadline, repeats: frozenset[int] = frozenset()) -> Claim | None:
    """The claim that an attempt holds on an order, read off the document as the claiming write left it.

    :param repeats: lines whose call an earlier attempt may have sent.
    :returns: None where the attempt holds no line.
    """
    lines = tuple(
        Line(
            index, item["product_id"], item["quantity"], Call(item["stock"]["call"]),
            item["stock"]["attempts"], index in repeats,
        )
        for index, item in enumerate(document["items"])
        if (item["stock"].get("attempt") or {}).get("id") == attempt
    )  # fmt: skip
    if not lines:
        return None
    return Claim(document["_id"], attempt, lease, lines)
