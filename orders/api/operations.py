"""What the OpenAPI document says of each operation beside its shapes: a summary, and every code it may answer with.

The tests' client holds every problem document that the suite is answered to these codes.
"""

from typing import NamedTuple

from orders.api.problems import PROBLEMS


class Operation(NamedTuple):
    """:ivar codes: of the problems that it may answer with, beside those of all operations."""

    summary: str
    codes: tuple[str, ...]


EVERYWHERE = (
    *("not_authenticated", "token_expired", "token_invalid", "keys_unavailable", "too_many_refused_tokens"),
    *("not_acceptable", "database_unavailable"),
)
"""What each operation may answer with."""
_BODY = ("parse_error", "body_cut_off", "length_required", "body_too_large", "unsupported_media_type")
SHARED = (*EVERYWHERE, *_BODY, "too_many_writes")
"""What is answered alike whatever was asked."""
_WRITE = (*_BODY, "too_many_writes", "outcome_unknown")
_ORDER = ("invalid", "order_not_found")
_CHANGE = (*_WRITE, *_ORDER, "transition_not_allowed", "order_busy", "stale_order", "idempotency_key_reused")
_LIST = ("invalid", "malformed_user_id", "not_permitted")
_RUN = ("invalid", "not_permitted", "run_not_found")
_STEERED = (*_RUN, *_WRITE, "run_is_over")

OPERATIONS: dict[str, Operation] = {
    "place_order": Operation(
        "Place an order",
        (
            *(*_WRITE, "invalid", "malformed_user_id", "invalid_order", "unknown_user", "unknown_product"),
            *("not_permitted", "price_changed", "insufficient_stock", "too_many_open_orders"),
            *("idempotency_key_required", "idempotency_key_in_use", "idempotency_key_reused"),
            *("peer_unavailable", "placement_interrupted"),
        ),
    ),
    "list_orders": Operation("List orders", _LIST),
    "list_user_orders": Operation("List one user's orders", _LIST),
    "get_order": Operation("Get an order", _ORDER),
    "change_order_status": Operation("Change an order's status", (*_CHANGE, "not_permitted")),
    "cancel_order": Operation("Cancel an order", _CHANGE),
    "get_order_history": Operation("Get an order's history", _ORDER),
    "list_order_transitions": Operation("List the transitions that the caller may make", _ORDER),
    "start_bulk_transition": Operation(
        "Make a transition of many orders",
        (*_WRITE, "invalid", "malformed_user_id", "nothing_selected", "not_permitted", "run_exists"),
    ),
    "get_bulk_transition": Operation("Get a bulk run and its results", _RUN),
    "cancel_bulk_transition": Operation("Cancel a bulk run", _STEERED),
    "pause_bulk_transition": Operation("Pause a bulk run", _STEERED),
    "resume_bulk_transition": Operation("Resume a bulk run", _STEERED),
}
"""operationId → what is said of it."""


def codes_of(operation_id: str) -> dict[str, list[str]]:
    """Status → the codes with which the operation may answer it."""
    found: dict[str, list[str]] = {}
    for code in sorted((*EVERYWHERE, *OPERATIONS[operation_id].codes), key=list(PROBLEMS).index):
        found.setdefault(str(_status(code)), []).append(code)
    return dict(sorted(found.items()))


def _status(code: str) -> int:
    """Where a code has several, the others are an intermediary's: the service itself answers 503."""
    statuses = PROBLEMS[code].statuses
    return statuses[0] if len(statuses) == 1 else 503
