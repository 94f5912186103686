"""Resolving a line whose outcome nobody knew: a person says whether the call was carried out."""

from bson import ObjectId
from django.utils.translation import gettext as _

from orders.models import Document, LineState, Status, StockCall
from orders.services.access import RESOLVE, visible
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.storage import order_reads
from orders.storage.line_stock import LineStock, as_seen, lines_by_index
from orders.storage.order_writes import guarded_write


class NothingUnknown(OrderError):
    """The line's outcome is known, perhaps only by now."""

    code = "nothing_unknown"
    kind = RefusalKind.CONFLICT


def resolve_line(
    *, order_id: ObjectId, line: int, happened: bool, act: Act, expected_attempts: int | None = None
) -> Document:
    """Resolve a line in state `unknown` by what is true: whether inventory carried out the call.

    A reservation that happened belongs to no placed order, and the worker releases it. One that did not happen leaves
    nothing to do. A release that happened is done; one that did not is due again.

    :param line: index of the line, from 0.
    :param act: its reason says how the person knows; it is kept in the history.
    :param expected_attempts: the line's `attempts` as the person saw them: what is known of one attempt says nothing
        about a later one.
    :returns: the whole document after it.
    :raises ReasonMissing:
    :raises OrderNotFound:
    :raises NotPermitted: the actor may not resolve stock.
    :raises NothingUnknown: there is no such line, its outcome is known, or it has been tried again since.
    :raises DatabaseError: it may or may not have been recorded.
    """
    act.actor.require(RESOLVE)
    require_evidence(act)
    while True:
        order = visible(order_reads.get_whole(order_id), order_id, act.actor)
        stock = _unknown(order, line, expected_attempts)
        if (written := _write(order, line, stock, happened, act)) is not None:
            return written
        # Somebody else resolved this line first, or a worker rejected the draft that it belongs to.
        expected_attempts = stock["attempts"]


def require_evidence(act: Act) -> None:
    """:raises ReasonMissing:"""
    act.require_reason(_("A reason is required: say how you know."))


def _unknown(order: Document, line: int, expected_attempts: int | None) -> Document:
    stock: Document = order["items"][line]["stock"] if 0 <= line < len(order["items"]) else {}
    if stock.get("state") != LineState.UNKNOWN:
        told = _("The stock outcome of line %(line)d of order %(number)s is already known.")
        raise NothingUnknown(told % {"line": line + 1, "number": order["number"]})
    if expected_attempts not in (None, stock["attempts"]):
        told = _("Line %(line)d of order %(number)s has been tried again since. Check it again.")
        raise NothingUnknown(told % {"line": line + 1, "number": order["number"]})
    return stock


def _write(order: Document, line: int, stock: Document, happened: bool, act: Act) -> Document | None:
    change = _resolved(StockCall(stock["call"]), happened, order["status"], stock["attempts"])
    entry = act.entry("resolve", source=LineState.UNKNOWN.value, target=str(change.state), line=line)
    return guarded_write(
        order["_id"],
        guard={"status": order["status"]} | as_seen({line: stock}),
        entries=[entry],
        items=lines_by_index({line: change}),
    )


def _resolved(call: StockCall, happened: bool, status: str, attempts: int) -> LineStock:
    # The attempts keep counting: they tell this unknown outcome from the next one.
    due = LineStock(LineState.RELEASING, StockCall.RELEASE, attempts=attempts)
    if call is StockCall.RELEASE:
        return LineStock(LineState.RELEASED, attempts=attempts) if happened else due
    if not happened:
        return LineStock(LineState.NONE, attempts=attempts)
    if status == Status.PLACING:  # rejecting the draft will release it
        return LineStock(LineState.RESERVED, attempts=attempts)
    return due
