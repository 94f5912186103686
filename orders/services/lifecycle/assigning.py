"""Who takes care of an order: it is assigned to a colleague, in any status, or to nobody."""

from bson import ObjectId
from django.utils.translation import gettext as _

from orders.models import Document
from orders.services.access import ASSIGN, visible
from orders.services.audit import Act
from orders.services.colleagues import colleague
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.versions import require_version, tried
from orders.storage import order_reads
from orders.storage.order_writes import as_read, guarded_write

ASSIGNED, UNASSIGNED = "assign", "unassign"
"""The acts by which the history names them; their detail is the colleague's name."""


class NoColleague(OrderError):
    """There is no such login, or none that is active and may see orders."""

    code = "no_colleague"
    kind = RefusalKind.INVALID


class SameAssignee(OrderError):
    """The order is assigned to this colleague already, or to nobody."""

    code = "same_assignee"
    kind = RefusalKind.CONFLICT


def assign(*, order_id: ObjectId, to: str, act: Act, expected_version: int) -> Document:
    """Assign an order to a colleague, whoever had it before.

    :param to: the id of a login that is active and may see orders.
    :param expected_version: refuse if the order has another one by now: two who take an order do not both get it.
    :returns: the whole document after it.
    :raises NotPermitted, OrderNotFound, NoColleague, SameAssignee:
    :raises StaleOrder: see :func:`orders.services.lifecycle.versions.require_version`.
    :raises OrderBusy: others kept changing the order.
    :raises DatabaseError: it may or may not have happened.
    """
    act.actor.require(ASSIGN)
    found = colleague(to)
    if found is None:
        raise NoColleague(_("This colleague cannot open orders: choose somebody else."))
    return _write(order_id, {"id": found.id, "name": found.name}, act, expected_version)


def unassign(*, order_id: ObjectId, act: Act, expected_version: int) -> Document:
    """Assign an order to nobody.

    :param expected_version: as of :func:`assign`, and so are the errors.
    """
    act.actor.require(ASSIGN)
    return _write(order_id, None, act, expected_version)


def _write(order_id: ObjectId, assignee: Document | None, act: Act, expected_version: int) -> Document:
    def change() -> Document | None:
        order = visible(order_reads.get_organised(order_id), order_id, act.actor)
        require_version(order, [expected_version], act)
        had = order.assignee
        if (had and had.id) == (assignee and assignee["id"]):
            told = _("This order is assigned to %(name)s already.") if had else _("This order is assigned to nobody.")
            raise SameAssignee(told % {"name": had})
        act_named = act.entry(ASSIGNED, detail=assignee["name"]) if assignee else act.entry(UNASSIGNED, detail=str(had))
        return guarded_write(
            order_id,
            guard=as_read(order),
            entries=[act_named],
            fields={"assignee": assignee} if assignee else {},
            unset=[] if assignee else ["assignee"],
            seen_at=act.at,
        )

    return tried(change)
