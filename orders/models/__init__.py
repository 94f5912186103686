"""The order document, its embedded parts, its state machine, and how it is read and written."""

from orders.models.bulk_run import BulkRun, BulkState, OrderOutcome
from orders.models.idempotency_key import IdempotencyKey
from orders.models.order import Order
from orders.models.parts import Address, Attempt, HistoryEntry, Item, Stock
from orders.models.states import LineState, Status

__all__ = [
    "Address",
    "Attempt",
    "BulkRun",
    "BulkState",
    "HistoryEntry",
    "IdempotencyKey",
    "Item",
    "LineState",
    "Order",
    "OrderOutcome",
    "Status",
    "Stock",
]
