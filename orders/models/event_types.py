"""Which entries of an order's history others hear of, and by what name."""

from orders.models.parts import Document
from orders.models.states import PUBLIC_STATUSES, LineState

RUN_FINISHED = "bulk_run.finished"
_ACTS = {
    "place": "order.placed",
    "change_address": "order.address_changed",
    "verify_user": "order.customer_verified",
    "resolve": "order.stock_resolved",
    "erase": "order.personal_data_erased",
    "ship_part": "order.partly_shipped",
    "track": "order.tracking_changed",
    "cancel_part": "order.partly_cancelled",
    "refund_part": "order.partly_refunded",
    "open_return": "order.return_opened",
    "receive_return": "order.return_received",
    "hold": "order.held",
    "lift_hold": "order.hold_lifted",
}
_TOLD_BY_ACT = frozenset({"place", "resolve"})
"""Whatever they lead to: that would be a status, or the state of a line, that tells less."""
PART_ACTS = frozenset({"ship_part", "track", "cancel_part", "refund_part", "open_return", "receive_return"})
"""The acts by which histories name what was done to parts of an order."""
EVENT_TYPES = (
    *_ACTS.values(),
    *(f"order.{status}" for status in PUBLIC_STATUSES if status != "pending"),
    "order.stock_unknown",
    RUN_FINISHED,
)
"""Every type of event, e.g. `order.paid`."""


def event_type(entry: Document) -> str | None:
    """The type of event that an entry of a history is told as; None if it stays in the shop, as notes do.

    A new status tells more than what brought it about: the last part of an order that is shipped makes it shipped.
    """
    if entry["act"] in _TOLD_BY_ACT:
        return _ACTS[entry["act"]]
    if entry.get("line") is not None:
        return "order.stock_unknown" if entry["to"] == LineState.UNKNOWN else None
    if entry["to"] in PUBLIC_STATUSES:
        return f"order.{entry['to']}"
    return _ACTS.get(entry["act"])
