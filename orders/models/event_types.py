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
}
EVENT_TYPES = (
    *_ACTS.values(),
    *(f"order.{status}" for status in PUBLIC_STATUSES if status != "pending"),
    "order.stock_unknown",
    RUN_FINISHED,
)
"""Every type of event, e.g. `order.paid`."""


def event_type(entry: Document) -> str | None:
    """The type of event that an entry of a history is told as; None if it stays in the shop, as notes do."""
    if named := _ACTS.get(entry["act"]):
        return named
    if entry.get("line") is not None:
        return "order.stock_unknown" if entry["to"] == LineState.UNKNOWN else None
    return f"order.{entry['to']}" if entry["to"] in PUBLIC_STATUSES else None
