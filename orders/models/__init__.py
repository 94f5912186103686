"""The order document and its parts, the state machine and what follows from it, money, and the records of bulk runs."""

from orders.models.bulk_run import OPEN_STATES, BatchState, BulkRun, BulkState, OrderOutcome
from orders.models.event_types import EVENT_TYPES, PART_ACTS, RUN_FINISHED, event_type
from orders.models.idempotency_key import IdempotencyKey
from orders.models.machine import (
    Edge,
    can_proceed,
    condition_words,
    edges,
    edges_from,
    edges_named,
    moments,
    permission_of,
    public_edges,
    statuses_before,
    stock_effect,
    transition_label,
    transition_names,
    transition_towards,
)
from orders.models.money import from_cents, is_amount, text_of, to_cents, worth
from orders.models.order import Order, every_line_reserved, not_on_hold, nothing_shipped
from orders.models.parts import (
    Address,
    Assignee,
    Attempt,
    Charge,
    Contact,
    Document,
    HistoryEntry,
    Hold,
    Item,
    OtherOrder,
    Payment,
    Refund,
    Return,
    Shipment,
    Snooze,
    Stock,
)
from orders.models.saved_view import ListColumns, SavedView
from orders.models.service_token import ServiceToken
from orders.models.states import (
    DATED_STATUSES,
    DUE_STATES,
    EPOCH,
    OPEN_STATES_OF_LINES,
    PUBLIC_STATUSES,
    SHARED_CHARGES,
    ChargeKind,
    LineState,
    Removal,
    Status,
    StockCall,
    StockEffect,
)
from orders.models.webhook_endpoint import EndpointState, WebhookEndpoint, endpoint_state

__all__ = [
    "DATED_STATUSES", "DUE_STATES", "EPOCH", "EVENT_TYPES", "OPEN_STATES", "OPEN_STATES_OF_LINES",
    "PART_ACTS", "PUBLIC_STATUSES", "RUN_FINISHED", "SHARED_CHARGES",
    "Address", "Assignee", "Attempt", "BatchState", "BulkRun", "BulkState", "Charge", "ChargeKind", "Contact",
    "Document", "Edge", "EndpointState",
    "HistoryEntry", "Hold", "IdempotencyKey", "Item", "LineState", "ListColumns", "Order", "OrderOutcome",
    "OtherOrder", "Payment", "Refund", "Removal", "Return", "SavedView", "ServiceToken", "Shipment", "Snooze",
    "Status", "Stock", "StockCall", "StockEffect", "WebhookEndpoint",
    "can_proceed", "condition_words", "edges", "edges_from", "edges_named", "endpoint_state", "event_type",
    "every_line_reserved", "from_cents", "is_amount", "moments", "not_on_hold", "nothing_shipped", "permission_of",
    "public_edges", "statuses_before", "stock_effect", "text_of", "to_cents", "transition_label",
    "transition_names", "transition_towards", "worth",
]  # fmt: skip
