"""What a person says of a line whose outcome nobody knew: it happened, or it did not."""

from bson import ObjectId

from orders.models.states import Call, LineState, Status
from orders.services.access import RESOLVE, OrderNotFound
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.storage import order_reads
from orders.storage.database import Document
from orders.storage.order_writes import LineStock, guarded_write, lines_by_index


class NothingUnknown(OrderError):
    """The line's outcome is not unknown, or not any more."""

    code = "nothing_unknown"


def resolve_line(
    *, order_id: ObjectId, line: int, happened: bool, act: Act, expected_attempts: int | None = None
) -> Document:
    """Settle a line in state `unknown` by what is true: whether inventory carried out the call.

    A reservation that happened belongs to no placed order, and is released by the worker. One that did not leaves
    nothing. A release that happened is done; one that did not is owed to the worker again.

    :param line: index of the line, from 0.
    :param act: its reason says how the person knows; it is kept in the history.
    :param expected_attempts: the line's `attempts` as the person saw them: what is known of one attempt says nothing of
        a later one.
    :returns: the whole document after it.
    :raises ReasonMissing:
    :raises OrderNotFound:
    :raises NotPermitted: the actor may not say so.
    :raises NothingUnknown: there is no such line, its outcome is known, or it has been tried again since.
    :raises DatabaseError: it may or may not have been recorded.
    """
    act.actor.require(RESOLVE)
    require_evidence(act)
    while True:
        order = order_reads.get_whole(order_id)
        if order is None:
            raise OrderNotFound(f"There is no order {order_id}.")
        stock = _unknown(order, line, expected_attempts)
        if (written := _write(order, line, stock, happened, act)) is not None:
            return written
        # Somebody was faster: with this very line, or a worker turned the draft away that it belongs to.
        expected_attempts = stock["attempts"]


def require_evidence(act: Act) -> None:
    """:raises ReasonMissing:"""
    act.require_reason("A reason is needed: it says in the history how you know.")


def _unknown(order: Document, line: int, expected_attempts: int | None) -> Document:
    stock: Document = order["items"][line]["stock"] if 0 <= line < len(order["items"]) else {}
    if stock.get("state") != LineState.UNKNOWN:
        raise NothingUnknown(f"Nothing is unknown about line {line + 1} of order {order['number']}.")
    if expected_attempts not in (None, stock["attempts"]):
        raise NothingUnknown(f"Line {line + 1} of order {order['number']} has been tried again. Look at it anew.")
    return stock


def _write(order: Document, line: int, stock: Document, happened: bool, act: Act) -> Document | None:
    change = _resolved(Call(stock["call"]), happened, order["status"], stock["attempts"])
    entry = act.entry("resolve", source=LineState.UNKNOWN.value, target=str(change.state), line=line)
    seen = {name: stock[name] for name in ("state", "call", "attempts")}
    return guarded_write(
        order["_id"],
        guard={"status": order["status"]} | {f"items.{line}.stock.{name}": value for name, value in seen.items()},
        entries=[entry],
        items=lines_by_index({line: change}),
    )


def _resolved(call: Call, happened: bool, status: str, attempts: int) -> LineStock:
    # The attempts go on counting: they tell this unknown outcome from the next one.
    owed = LineStock(LineState.RELEASING, Call.RELEASE, attempts=attempts)
    if call is Call.RELEASE:
        return LineStock(LineState.RELEASED, attempts=attempts) if happened else owed
    if not happened:
        return LineStock(LineState.NONE, attempts=attempts)
    if status == Status.PLACING:  # rejecting the draft will release it
        return LineStock(LineState.RESERVED, attempts=attempts)
    return owed
