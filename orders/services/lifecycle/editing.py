"""What staff write into an order beside its transitions: another address, and notes of their own."""

from bson import ObjectId

from orders.models.machine import statuses_before
from orders.models.order import Order
from orders.models.parts import Address
from orders.services.access import ADDRESS_CHANGED, CHANGE_ADDRESS, WRITE_NOTES, visible
from orders.services.addresses import ADDRESS_FIELDS, problems_of
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle.versions import TRIES, busy, require_version
from orders.services.texts import problem_of, several_lines
from orders.storage import order_reads
from orders.storage.database import Document
from orders.storage.order_writes import guarded_write

NOTE = "note"
"""The act by which the history names a note; its reason is the note's text."""
LONGEST_NOTE = 500


class AddressFixed(OrderError):
    """The address is not changed any more, or nothing will ever be sent there."""

    code = "address_fixed"


class InvalidAddress(OrderError):
    """Nothing can be sent there; `errors` maps each wrong field to its problems."""

    code = "invalid_address"


class SameAddress(OrderError):
    """The order goes there already."""

    code = "same_address"


class InvalidNote(OrderError):
    """There is nothing in the note, or too much."""

    code = "invalid_note"


def may_change_address(status: str) -> bool:
    """Tell whether an order in this status can still be sent elsewhere: until it ships."""
    return status in statuses_before("ship")


def change_address(*, order_id: ObjectId, address: Address, act: Act, expected_version: int) -> Document:
    """Have an order sent to another address. What the address was before stays in the history.

    :param expected_version: refuse if the order has another one by now: the person who changed it saw no other.
    :returns: the whole document after it.
    :raises NotPermitted, OrderNotFound:
    :raises StaleOrder: see :func:`orders.services.lifecycle.versions.require_version`.
    :raises OrderBusy: others were always faster.
    :raises AddressFixed: it has been shipped, or it was called off.
    :raises InvalidAddress, SameAddress:
    :raises DatabaseError: it may or may not have happened.
    """
    act.actor.require(CHANGE_ADDRESS)
    for _ in range(TRIES):
        order = visible(order_reads.get_addressed(order_id), order_id, act.actor)
        require_version(order, [expected_version], act)
        if not may_change_address(order.status):
            raise AddressFixed(f"This order is {order.status}: its address cannot be changed any more.")
        if (written := _write_address(order, _valid(address), act)) is not None:
            return written
    raise busy()


def write_note(*, order_id: ObjectId, text: str, act: Act) -> Document:
    """Write a note for colleagues into an order's history, in any status; customers never see it.

    :param text: 1 to LONGEST_NOTE characters, in one line or several.
    :returns: the whole document after it.
    :raises NotPermitted, OrderNotFound, InvalidNote:
    :raises OrderBusy: others were always faster.
    :raises DatabaseError: it may or may not have been written.
    """
    act.actor.require(WRITE_NOTES)
    text = several_lines(text)
    if not 1 <= len(text) <= LONGEST_NOTE:
        raise InvalidNote(f"A note has 1 to {LONGEST_NOTE} characters; this one has {len(text)}.")
    if problem := problem_of(text):
        raise InvalidNote(problem, errors={"text": [problem]})
    for _ in range(TRIES):
        order = visible(order_reads.get_addressed(order_id), order_id, act.actor)
        # A note contradicts nobody. The guard lets a repeated write find its own first try, instead of writing twice.
        guard = {"version": order.version}
        if written := guarded_write(order_id, guard=guard, entries=[act.entry(NOTE, reason=text)], seen_at=act.at):
            return written
    raise busy()


def _write_address(order: Order, wanted: Document, act: Act) -> Document | None:
    before = order.shipping_address
    if wanted == _values(before):
        raise SameAddress("That is the address which the order has already.")
    return guarded_write(
        order.pk,
        guard={"status": order.status, "version": order.version},
        entries=[act.entry(ADDRESS_CHANGED, detail=str(before))],
        fields={"shipping_address": wanted},
        seen_at=act.at,
    )


def _valid(address: Address) -> Document:
    if errors := problems_of(address):
        raise InvalidAddress("Nothing can be sent to this address.", errors=errors)
    return _values(address)


def _values(address: Address) -> Document:
    """The address as it is stored."""
    return {name: getattr(address, name) or "" for name in ADDRESS_FIELDS}
