"""What staff change of an order besides its status: the shipping address and notes."""

from bson import ObjectId
from django.utils.translation import gettext as _

from orders.models import Address, Document, Order, statuses_before
from orders.services.access import ADDRESS_CHANGED, CHANGE_ADDRESS, WRITE_NOTES, visible
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.versions import require_version, tried
from orders.services.search_terms import terms_of
from orders.services.text_rules import ADDRESS_FIELDS, part_problems, problem_of, several_lines
from orders.services.words import status_word
from orders.storage import order_reads
from orders.storage.order_writes import as_read, guarded_write

NOTE = "note"
"""The act by which the history names a note; its reason is the note's text."""
LONGEST_NOTE = 500


class AddressFixed(OrderError):
    """The address can no longer be changed: the order has shipped, or it never will."""

    code = "address_fixed"
    kind = RefusalKind.CONFLICT


class InvalidAddress(OrderError):
    """The address is not valid; `errors` maps each wrong field to its problems."""

    code = "invalid_address"
    kind = RefusalKind.INVALID


class SameAddress(OrderError):
    """The order has this address already."""

    code = "same_address"
    kind = RefusalKind.CONFLICT


class InvalidNote(OrderError):
    """The note is empty, too long, or holds characters that are not allowed."""

    code = "invalid_note"
    kind = RefusalKind.INVALID


def may_change_address(status: str) -> bool:
    """Tell whether the address of an order in this status can still be changed: until it ships."""
    return status in statuses_before("ship")


def change_address(*, order_id: ObjectId, address: Address, act: Act, expected_version: int) -> Document:
    """Change the shipping address. The history keeps the previous one.

    :param expected_version: refuse if the order has another one by now: the person who changed it saw no other.
    :returns: the whole document after it.
    :raises NotPermitted, OrderNotFound:
    :raises StaleOrder: see :func:`orders.services.lifecycle.versions.require_version`.
    :raises OrderBusy: others kept changing the order.
    :raises AddressFixed: it has shipped, or it was cancelled.
    :raises InvalidAddress, SameAddress:
    :raises DatabaseError: it may or may not have happened.
    """
    act.actor.require(CHANGE_ADDRESS)

    def change() -> Document | None:
        order = visible(order_reads.get_addressed(order_id), order_id, act.actor)
        require_version(order, [expected_version], act)
        if not may_change_address(order.status):
            raise AddressFixed(
                _("This order is %(status)s: its address can no longer be changed.")
                % {"status": status_word(order.status)}
            )
        return _write_address(order, _valid(address), act)

    return tried(change)


def write_note(*, order_id: ObjectId, text: str, act: Act) -> Document:
    """Add a note for staff to an order's history, in any status; customers never see it.

    :param text: 1 to LONGEST_NOTE characters, in one line or several.
    :returns: the whole document after it.
    :raises NotPermitted, OrderNotFound, InvalidNote:
    :raises OrderBusy: others kept changing the order.
    :raises DatabaseError: it may or may not have been written.
    """
    act.actor.require(WRITE_NOTES)
    text = several_lines(text)
    if not 1 <= len(text) <= LONGEST_NOTE:
        raise InvalidNote(
            _("A note has 1 to %(longest)d characters; this one has %(length)d.")
            % {"longest": LONGEST_NOTE, "length": len(text)}
        )
    if problem := problem_of(text):
        raise InvalidNote(problem, errors={"text": [problem]})

    def change() -> Document | None:
        order = visible(order_reads.get_addressed(order_id), order_id, act.actor)
        # A note conflicts with nothing. The guard keeps a repeated write from adding the note twice.
        entries = [act.entry(NOTE, reason=text)]
        return guarded_write(order_id, guard=as_read(order), entries=entries, seen_at=act.at)

    return tried(change)


def _write_address(order: Order, wanted: Document, act: Act) -> Document | None:
    before = order.shipping_address
    if wanted == _values(before):
        raise SameAddress(_("The order already has this address."))
    if (found := order_reads.get_searchable(order.pk)) is None:
        return None
    return guarded_write(
        order.pk,
        guard=as_read(order),
        entries=[act.entry(ADDRESS_CHANGED, detail=str(before))],
        fields={"shipping_address": wanted, "terms": terms_of(found | {"shipping_address": wanted})},
        seen_at=act.at,
    )


def _valid(address: Address) -> Document:
    if errors := part_problems(address):
        raise InvalidAddress(_("Check the address."), errors=errors)
    return _values(address)


def _values(address: Address) -> Document:
    """The address as it is stored."""
    return {name: getattr(address, name) or "" for name in ADDRESS_FIELDS}
