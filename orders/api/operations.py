"""What the OpenAPI document says of each operation beside its shapes.

A summary, the parameters of its address and headers, its refusals, and every code it may answer with. The tests' client
compares every problem document that it receives with these codes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from orders.api import parameters
from orders.api.bulk_serializers import RunSerializer
from orders.api.fields import anchored
from orders.api.problem_responses import CONTENT_TYPE
from orders.api.problems import PROBLEMS
from orders.api.serializers import ProblemSerializer
from orders.models import transition_names
from orders.services.identifiers import EXPECTED, LONGEST_USER_ID, OBJECT_ID


class Operation(NamedTuple):
    """:ivar codes: of the problems that it may answer with, beside those of all operations.
    :ivar scopes: of which a service's token needs one.
    """

    summary: str
    codes: tuple[str, ...]
    scopes: tuple[str, ...]


EVERYWHERE = (
    *("not_authenticated", "token_expired", "token_invalid", "keys_unavailable", "too_many_refused_tokens"),
    *("not_acceptable", "database_unavailable"),
)
"""What each operation may answer with."""
_BODY = ("parse_error", "body_cut_off", "length_required", "body_too_large", "unsupported_media_type")
SHARED = (*EVERYWHERE, *_BODY, "too_many_writes")
"""What is answered alike whatever was asked."""
_WRITE = (*_BODY, "too_many_writes", "outcome_unknown")
_ORDER = ("invalid", "not_permitted", "order_not_found", "order_not_adopted")
_CHANGE_OF_ORDER = (*_WRITE, *_ORDER, "order_busy", "stale_order", "idempotency_key_reused")
_CHANGE = (*_CHANGE_OF_ORDER, "transition_not_allowed")
_LINES = ("invalid_lines", "lines_not_available")
_LIST = ("invalid", "malformed_user_id", "not_permitted")
_RUN = ("invalid", "not_permitted", "run_not_found")
_STEERED = (*_RUN, *_WRITE, "run_is_over")
_WEBHOOK = ("invalid", "not_permitted", "webhook_not_found")
_CHANGED_WEBHOOK = (*_WRITE, *_WEBHOOK)
_READ, _CANCEL, _HOOKS = ("read_orders",), ("cancel_order",), ("manage_webhooks",)
_TRANSITIONS = tuple(f"{name}_order" for name in transition_names())

OPERATIONS: dict[str, Operation] = {
    "place_order": Operation(
        "Place an order",
        (
            *(*_WRITE, "invalid", "malformed_user_id", "invalid_order", "unknown_user", "unknown_product"),
            *("not_permitted", "price_changed", "insufficient_stock", "too_many_open_orders"),
            *("idempotency_key_required", "idempotency_key_in_use", "idempotency_key_reused"),
            *("peer_unavailable", "placement_interrupted"),
        ),
        ("place_orders",),
    ),
    "list_orders": Operation("List orders", _LIST, _READ),
    "list_user_orders": Operation("List one user's orders", _LIST, _READ),
    "get_order": Operation("Get an order", _ORDER, _READ),
    "change_order_status": Operation(
        "Change an order's status", (*_CHANGE, "reason_missing", "payment_too_low"), _TRANSITIONS
    ),
    "cancel_order": Operation("Cancel an order", _CHANGE, _CANCEL),
    "get_order_history": Operation("Get an order's history", _ORDER, _READ),
    "list_order_transitions": Operation("List the transitions that the caller may make", _ORDER, _READ),
    "ship_parcel": Operation(
        "Ship lines in a parcel", (*_CHANGE_OF_ORDER, *_LINES, "transition_not_allowed"), ("ship_order",)
    ),
    "change_tracking": Operation(
        "Change the tracking of a parcel", (*_CHANGE_OF_ORDER, "shipment_not_found"), ("ship_order",)
    ),
    "cancel_lines": Operation("Cancel lines of an order", (*_CHANGE, *_LINES, "reason_missing"), _CANCEL),
    "refund_order": Operation(
        "Record a refund", (*_CHANGE_OF_ORDER, *_LINES, "reason_missing", "refund_too_high"), ("refund_order",)
    ),
    "open_return": Operation("Announce a return", (*_CHANGE_OF_ORDER, *_LINES, "reason_missing"), ("return_order",)),
    "receive_return": Operation(
        "Receive a return", (*_CHANGE_OF_ORDER, "return_not_found", "return_received"), ("return_order",)
    ),
    "hold_order": Operation(
        "Hold an order back", (*_CHANGE_OF_ORDER, "reason_missing", "hold_refused"), ("hold_order",)
    ),
    "lift_hold": Operation("Lift the hold of an order", (*_CHANGE_OF_ORDER, "hold_refused"), ("hold_order",)),
    "start_bulk_transition": Operation(
        "Make a transition of many orders",
        (*_WRITE, "invalid", "malformed_user_id", "nothing_selected", "not_permitted", "run_exists"),
        _READ,
    ),
    "get_bulk_transition": Operation("Get a bulk run and its results", _RUN, _READ),
    "cancel_bulk_transition": Operation("Cancel a bulk run", _STEERED, _READ),
    "pause_bulk_transition": Operation("Pause a bulk run", _STEERED, _READ),
    "resume_bulk_transition": Operation("Resume a bulk run", _STEERED, _READ),
    "list_events": Operation(
        "Follow the feed of events", ("invalid", "not_permitted", "cursor_unknown", "cursor_expired"), ("read_events",)
    ),
    "list_webhooks": Operation("List the webhook endpoints", ("not_permitted",), _HOOKS),
    "create_webhook": Operation(
        "Add a webhook endpoint",
        (*_WRITE, "invalid", "not_permitted", "invalid_webhook", "too_many_webhooks", "idempotency_key_reused"),
        _HOOKS,
    ),
    "get_webhook": Operation("Get a webhook endpoint and its last deliveries", _WEBHOOK, _HOOKS),
    "change_webhook": Operation("Change a webhook endpoint", (*_CHANGED_WEBHOOK, "invalid_webhook"), _HOOKS),
    "delete_webhook": Operation("Delete a webhook endpoint", _CHANGED_WEBHOOK, _HOOKS),
    "test_webhook": Operation("Send a webhook endpoint a test event", (*_BODY, "too_many_writes", *_WEBHOOK), _HOOKS),
    "rotate_webhook_secret": Operation("Give a webhook endpoint a new secret", _CHANGED_WEBHOOK, _HOOKS),
    "end_webhook_rotation": Operation("Stop using a webhook endpoint's former secrets", _CHANGED_WEBHOOK, _HOOKS),
    "replay_webhook": Operation("Send a webhook endpoint events again", (*_CHANGED_WEBHOOK, "invalid_webhook"), _HOOKS),
}
"""operationId → what is said of it."""


Method = TypeVar("Method", bound=Callable[..., Any])


def operation(*, operation_id: str, **said: Any) -> Callable[[Method], Method]:
    """Describe the method of a view that carries out an operation, and ask a service for its scope."""

    def describe(method: Method) -> Method:
        method.scopes = OPERATIONS[operation_id].scopes  # type: ignore[attr-defined]
        return extend_schema(operation_id=operation_id, **said)(method)

    return describe


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


# --- parameters ---

ORDER_ID = OpenApiParameter(
    "order_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    pattern=anchored(OBJECT_ID),
    description="ObjectId of the order: the `id` that placing it answered.",
)
USER_ID_OF_PATH = OpenApiParameter(
    "user_id",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_USER_ID},
    OpenApiParameter.PATH,
    description=f"{EXPECTED} Of one with a slash in it, ask `GET /orders/?user_id=…`.",
)
SHIPMENT_NUMBER = OpenApiParameter(
    "shipment_number",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    pattern=anchored(parameters.PART_NUMBER),
    description="Its place among the `shipments` of the order, from 0.",
)
RETURN_NUMBER = OpenApiParameter(
    "return_number",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    pattern=anchored(parameters.PART_NUMBER),
    description="Its place among the `returns` of the order, from 0.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "format": "etags", "pattern": anchored(parameters.TAGS_OR_ANY)},
    OpenApiParameter.HEADER,
    description="Refuse (412) if the order has none of these ETags: a list as RFC 9110 section 13.1.1 has it, or `*`. "
    'What an intermediary that compresses makes of an ETag (`W/"3"`) is as good as the ETag itself.',
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Answer 304 without a body if one of these ETags is that of the answer.",
)
KNOWN = OpenApiResponse(description="As the caller has it already.")
PLACEMENT_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=settings.REQUIRE_IDEMPOTENCY_KEY,
    pattern=anchored(parameters.IDEMPOTENCY_KEY),
    description="1 to 255 visible ASCII characters. The same request with the same key is placed once; a replay "
    "answers with the order as it is now and `Idempotency-Replayed: true`.",
)
CHANGE_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    pattern=anchored(parameters.IDEMPOTENCY_KEY),
    description="1 to 255 visible ASCII characters. The same change of the same order with the same key is made once; "
    "a replay is answered as the first request was, with the order as it is now and `Idempotency-Replayed: true`, "
    "whatever `If-Match` says and whatever has become of the order since. A refused change leaves its key free.",
)
RUN_ID = OpenApiParameter(
    "run_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    pattern=anchored(OBJECT_ID),
    description="ObjectId of the run: the `id` that starting it answered.",
)
WEBHOOK_ID = OpenApiParameter(
    "webhook_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    pattern=anchored(OBJECT_ID),
    description="ObjectId of the endpoint: the `id` that adding it answered.",
)
RUN_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    pattern=anchored(parameters.IDEMPOTENCY_KEY),
    description="1 to 255 visible ASCII characters. The same request with the same key starts one run; a repeated one "
    "answers with that run as it is now.",
)
WEBHOOK_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    pattern=anchored(parameters.IDEMPOTENCY_KEY),
    description="1 to 255 visible ASCII characters. The same request with the same key adds one endpoint; for a day, a "
    "replay answers with the endpoint as it is now, its newest secret and `Idempotency-Replayed: true`.",
)

# --- refusals ---


def problems(**details: str) -> dict[tuple[int, str], OpenApiResponse]:
    """The refusals of an operation: `e404="There is no such order."` documents status 404."""
    return {
        (int(code.removeprefix("e")), CONTENT_TYPE): OpenApiResponse(ProblemSerializer, text)
        for code, text in details.items()
    }


TOO_MANY = problems(e429="Too many writes of the caller, or refused tokens from the address; see `Retry-After`.")
NOT_LET_IN = (
    "No token (`not_authenticated`), one whose time is over (`token_expired`: get another), or one that is not valid "
    "(`token_invalid`)."
)
ALWAYS = problems(e401=NOT_LET_IN, e503="`database_unavailable`: nothing was changed; try again.") | TOO_MANY
UNSURE = problems(
    e503="`database_unavailable`: nothing was changed; try again. `outcome_unknown`: the database did not answer, and "
    "it is not known whether this was done; send the same again, which finds out."
)
ONE_ORDER = problems(e400="Not an ObjectId.", e404="There is no such order, or it is another's.") | ALWAYS
PART_OF_ORDER = {
    **ONE_ORDER,
    **UNSURE,
    **problems(
        e400="Malformed; `errors` names fields and lines.",
        e403="The caller may not do this.",
        e404="There is no such order, or it is another's; or it has no such part.",
        e409="Not as the order is now.",
        e412="The order has changed; `changes` says how and by whom.",
        e422="The key made another change of this order before.",
    ),
}
ONE_RUN = problems(e400="Not an ObjectId.", e403="The caller is not an admin.", e404="There is no such run.") | ALWAYS
STEERED: dict[Any, Any] = {202: RunSerializer, **ONE_RUN, **UNSURE, **problems(e409="The run is over.")}
ONE_WEBHOOK = (
    problems(
        e400="Malformed, or not an ObjectId; `errors` names fields.",
        e403="The caller is not an admin.",
        e404="There is no such endpoint.",
    )
    | ALWAYS
)
