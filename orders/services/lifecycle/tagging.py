"""Tags: what staff call an order for themselves, in any status. Customers never see them."""

from collections.abc import Callable, Sequence
from functools import partial

from bson import ObjectId
from django.utils.translation import gettext as _

from orders.models import Document
from orders.services.access import TAG, visible
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.versions import tried
from orders.services.tags import distinct, stored_tags, tag_key, tags_problem, tags_typed
from orders.storage import order_reads
from orders.storage.order_writes import as_read, guarded_write

TAGGED, UNTAGGED = "tag", "untag"
"""The acts by which the history names them; their detail is the tags."""


class InvalidTag(OrderError):
    """A tag is missing, too long or holds characters that are not allowed, or the order would have too many."""

    code = "invalid_tag"
    kind = RefusalKind.INVALID


class SameTags(OrderError):
    """The order has these tags already, or has no such tag."""

    code = "same_tags"
    kind = RefusalKind.CONFLICT


def add_tags(*, order_id: ObjectId, text: str, act: Act) -> Document:
    """Add tags to an order; those that it has already, in whichever capitals, stay as they are.

    :param text: one tag, or several with commas between them.
    :returns: the whole document after it.
    :raises NotPermitted, OrderNotFound, InvalidTag, SameTags:
    :raises OrderBusy: others kept changing the order.
    :raises DatabaseError: it may or may not have happened.
    """
    act.actor.require(TAG)
    given = tags_typed(text)
    if not given:
        raise InvalidTag(_("Enter a tag."))

    def added(had: Sequence[str]) -> tuple[list[str], list[str]]:
        wanted = distinct([*had, *given])
        if problem := tags_problem(wanted):
            raise InvalidTag(problem)
        if not (new := wanted[len(had) :]):
            raise SameTags(_("This order has these tags already."))
        return wanted, new

    return tried(partial(_write, order_id, TAGGED, added, act))


def remove_tag(*, order_id: ObjectId, tag: str, act: Act) -> Document:
    """Take a tag off an order. Its errors are those of :func:`add_tags`."""
    act.actor.require(TAG)

    def left(had: Sequence[str]) -> tuple[list[str], list[str]]:
        gone = [known for known in had if tag_key(known) == tag_key(tag)]
        if not gone:
            raise SameTags(_("This order has no such tag."))
        return [known for known in had if known not in gone], gone

    return tried(partial(_write, order_id, UNTAGGED, left, act))


def _write(
    order_id: ObjectId, name: str, change: Callable[[Sequence[str]], tuple[list[str], list[str]]], act: Act
) -> Document | None:
    """Write what :func:`tried` may have to try again.

    :param change: the tags that an order has from now on, and those that come or go.
    """
    order = visible(order_reads.get_organised(order_id), order_id, act.actor)
    tags, told = change(order.tags)
    # Who tags an order conflicts with nobody. The guard keeps a repeated write from being told twice.
    return guarded_write(
        order_id,
        guard=as_read(order),
        entries=[act.entry(name, detail=", ".join(told))],
        fields=dict(stored_tags(tags)) if tags else {},
        unset=[] if tags else ["tags", "tag_keys"],
        seen_at=act.at,
    )
