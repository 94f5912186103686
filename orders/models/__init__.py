"""The order document and its parts, the state machine and what follows from it, and the records of bulk runs."""

from orders.models.bulk_run import OPEN_STATES, BatchState, BulkRun, BulkState, OrderOutcome
from orders.models.idempotency_key import IdempotencyKey
from orders.models.machine import edges_named, moments, permission_of, stock_effect, transition_names
from orders.models.order import Order
from orders.models.parts import Address, Attempt, HistoryEntry, Item, Stock
from orders.models.states import PUBLIC_STATUSES, LineState, Status, StockEffect

__all__ = [
    "OPEN_STATES",
    "PUBLIC_STATUSES",
    "Address",
    "Attempt",
    "BatchState",
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
    "StockEffect",
    "edges_named",
    "moments",
    "permission_of",
    "stock_effect",
    "transition_names",
]
