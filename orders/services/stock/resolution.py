"""What people do about stock that does not settle by itself: say what became of it, or have it tried again at once."""

from datetime import datetime

from bson import ObjectId
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from orders.models import DUE_STATES, Document, LineState, Status, StockCall
from orders.services.access import RESOLVE, visible_whole
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.storage import order_reads
from orders.storage.line_stock import LineStock, as_seen, lines_by_index
from orders.storage.order_writes import guarded_write

NOT_RELEASED = gettext_noop("%(units)s not released. %(error)s")


class NothingUnknown(OrderError):
    """The line's outcome is known, perhaps only by now."""

    code = "nothing_unknown"
    kind = RefusalKind.CONFLICT


class NothingOwed(OrderError):
    """No line of the order can be retried: no stock is due, or it is being tried."""

    code = "nothing_owed"
    kind = RefusalKind.CONFLICT


class NothingShort(OrderError):
    """The line is not short of the units that the caller saw."""

    code = "nothing_short"
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
        order = visible_whole(order_id, act.actor)
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


def retry_now(*, order_id: ObjectId, act: Act) -> Document:
    """Make an order's stock due at once, for the lines that nobody is trying right now; a worker does the rest.

    :returns: the whole document after it; unchanged where the stock is due already.
    :raises NotPermitted: the actor may not settle stock.
    :raises OrderNotFound:
    :raises NothingOwed: nothing is, or all of it is being tried.
    :raises DatabaseError: it may or may not have been recorded.
    """
    act.actor.require(RESOLVE)
    order, now = visible_whole(order_id, act.actor), order_reads.server_time()
    idle = [
        index
        for index, item in enumerate(order["items"])
        if item["stock"]["state"] in DUE_STATES and not _is_tried(item["stock"], now)
    ]
    if idle and order.get("stock_due_at") and order["stock_due_at"] <= now:
        return order  # a worker is about to take it
    written = None
    if idle:
        # Each attempt is counted, so as long as the counts are the same nobody has begun a new one.
        seen = {f"items.{index}.stock.{name}": order["items"][index]["stock"][name]
                for index in idle for name in ("state", "attempts")}  # fmt: skip
        written = guarded_write(
            order_id,
            guard=seen | {"stock_due_at": order.get("stock_due_at")},
            entries=[act.entry("retry", source=order["items"][index]["stock"]["state"], line=index) for index in idle],
            fields={"stock_due_at": now},
        )
    if written is None:
        raise NothingOwed(
            _("Order %(number)s has no stock to retry, or it is being retried right now.") % {"number": order["number"]}
        )
    return written


def _is_tried(stock: Document, now: datetime) -> bool:
    attempt = stock.get("attempt")
    return bool(attempt and attempt["until"] > now)


def accept_shortage(*, order_id: ObjectId, line: int, discrepancy: int, act: Act) -> Document:
    """Acknowledge that inventory took back fewer units than asked: the line counts as released.

    :param discrepancy: the units that are missing, as the person saw them.
    :param act: its reason says what happened to the units.
    :returns: the whole document after it.
    :raises NotPermitted: the actor may not settle stock.
    :raises ReasonMissing:
    :raises OrderNotFound:
    :raises NothingShort: there is no such line, or it is not short of that many.
    :raises DatabaseError: it may or may not have been recorded.
    """
    act.actor.require(RESOLVE)
    act.require_reason(_("A reason is required: say what happened to the missing units."))
    order = visible_whole(order_id, act.actor)
    stock: Document = order["items"][line]["stock"] if 0 <= line < len(order["items"]) else {}
    written = None
    if stock.get("discrepancy") == discrepancy:
        detail = NOT_RELEASED % {"units": discrepancy, "error": stock["error"]}
        written = guarded_write(
            order_id,
            guard={f"items.{line}.stock.{name}": stock[name] for name in ("state", "discrepancy")},
            entries=[act.entry("accept_shortage", line=line, detail=detail)],
            items=lines_by_index({line: LineStock(LineState.RELEASED, attempts=stock["attempts"])}),
        )
    if written is None:
        told = ngettext(
            "Item %(item)d of order %(number)s is not %(units)d unit short.",
            "Item %(item)d of order %(number)s is not %(units)d units short.",
            discrepancy,
        )
        raise NothingShort(told % {"item": line + 1, "number": order["number"], "units": discrepancy})
    return written
