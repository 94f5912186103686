"""Tell the fault of an order, which is reported, from an outage, which pauses the run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from integrations import Deadline, PeerError, inventory
from orders.models import BulkRun, Document, LineState
from orders.storage.database import refusal_of
from orders.storage.order_query import Key

MOST_FAILED_RELEASES = 10
"""Orders in a row whose releases may fail although inventory answers reads."""
MOST_PAUSES = 5
"""Pauses in a row after which orders that mongod refuses all alike are reported as failed."""

DATABASE_AWAY = gettext_noop("the database does not answer: %(error)s")
INVENTORY_AWAY = gettext_noop("inventory does not answer: %(error)s")
REFUSED = gettext_noop("The database refused: %(error)s")
NOT_RELEASED = gettext_noop("inventory answers, but failed to release the last %(orders)s orders")
ALL_REFUSED = gettext_noop("the database refuses every order: %(error)s")
UNFINISHED = (LineState.RELEASING, LineState.UNKNOWN)
"""States of a line whose release has been called for and is not finished."""


class Outage(Exception):
    """The database or inventory does not answer; continuing would only leave more unfinished."""


@dataclass(frozen=True)
class Fault:
    """Why an order could not be changed, and the code if mongod refused it."""

    reason: str
    code: int | None = None


Faults = dict[Key, Fault]
"""Of the orders of a batch."""


@contextmanager
def database_outages() -> Iterator[None]:
    """:raises Outage: in place of a DatabaseError."""
    try:
        yield
    except DatabaseError as error:
        raise outage_of(error) from error


def outage_of(error: DatabaseError) -> Outage:
    return Outage(DATABASE_AWAY % {"error": error.__cause__ or error})


def fault_of(error: DatabaseError) -> Fault:
    """The fault for which mongod refused an order.

    :raises Outage: mongod does not answer, or would refuse any order.
    """
    refused = refusal_of(error)
    if refused is None:
        raise outage_of(error) from error
    text, code = refused
    return Fault(REFUSED % {"error": text}, code)


def require_a_success(run: BulkRun, faults: Faults, tried: int) -> None:
    """Treat it as an outage if mongod refused several orders, all of them and all alike.

    After MOST_PAUSES they count as faults of the orders, so that the rest of the run goes on.

    :raises Outage:
    """
    codes = {fault.code for fault in faults.values()}
    if run.pauses < MOST_PAUSES and tried > 1 and len(faults) == tried and len(codes) == 1 and None not in codes:
        raise Outage(ALL_REFUSED % {"error": next(iter(faults.values())).reason})


def require_inventory(products: Sequence[str]) -> None:
    """Make sure that inventory answers a read of one of the first two products; a single one may be broken there.

    :raises Outage:
    """
    failed: PeerError | None = None
    for product_id in list(dict.fromkeys(products))[:2]:
        try:
            inventory.probe(product_id=product_id, deadline=Deadline.after(settings.REQUEST_DEADLINE))
        except PeerError as error:
            failed = error
        else:
            return
    if failed:
        raise Outage(INVENTORY_AWAY % {"error": failed}) from failed


@dataclass
class Releases:
    """What the threads of a run have released: orders changed, and orders in a row whose releases failed."""

    changed: int = 0
    failed_in_a_row: int = 0


def check_releases(order: Document, releases: Releases, products: Sequence[str]) -> None:
    """Check whether the releases of an order that was just changed are finished.

    :param products: other products of the run, to be read where inventory has a fault with this order's.
    :raises Outage: they are not, and inventory does not answer, or has finished none for long.
    """
    called = [item for item in order["items"] if item["stock"].get("attempts")]
    failed = [item for item in called if item["stock"]["state"] in UNFINISHED]
    if called and not failed:
        releases.failed_in_a_row = 0
    if failed:
        releases.failed_in_a_row += 1
        require_inventory([str(failed[0]["product_id"]), *products])
        if releases.failed_in_a_row >= MOST_FAILED_RELEASES:
            raise Outage(NOT_RELEASED % {"orders": releases.failed_in_a_row})
