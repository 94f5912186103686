"""Every `code` of a problem document: what it means, what was kept, and whether to send the request again.

Each has a page below `{API_PREFIX}/problems/`, to which the `type` of its documents leads (RFC 9457 section 3.1.1).
"""

from typing import NamedTuple

from django.conf import settings


class Problem(NamedTuple):
    """The description of a code.

    :ivar statuses: the HTTP statuses that it comes with.
    :ivar what: what happened.
    :ivar kept: what of the request was carried out or kept.
    :ivar again: whether to send it again, and when.
    :ivar repeatable: whether the same request may succeed when it is simply sent again.
    """

    statuses: tuple[int, ...]
    title: str
    what: str
    kept: str
    again: str
    repeatable: bool


def _final(status: int, title: str, what: str, again: str = "Not as it is: correct the request first.") -> Problem:
    """A refusal that stands until somebody changes something."""
    return Problem((status,), title, what, "Nothing was changed.", again, repeatable=False)


def _passing(
    status: int, title: str, what: str, again: str = "Yes, after the seconds that `Retry-After` names."
) -> Problem:
    """A refusal that passes by itself."""
    return Problem((status,), title, what, "Nothing was changed.", again, repeatable=True)


PROBLEMS: dict[str, Problem] = {
    # --- the request ---
    "invalid": _final(
        400, "Invalid request", "A field, a parameter or a header is missing or not understood; `errors` names each."
    ),
    "parse_error": _final(400, "Body is not JSON", "The body could not be read as JSON."),
    "bad_request": _final(400, "Bad request", "The request could not be understood at all."),
    "body_cut_off": _final(
        400,
        "Body cut off",
        "The body ended before the length that `Content-Length` announced.",
        "Yes, once the whole body is sent.",
    ),
    "upload_refused": _final(400, "Files are not accepted", "The body carries a file, and no file is taken anywhere."),
    "malformed_user_id": _final(400, "Malformed user id", "A user id in the request has none of the known formats."),
    "invalid_reason": _final(400, "Invalid reason", "The reason holds characters that no text here may hold."),
    "reason_missing": _final(
        400,
        "Reason missing",
        "This needs a reason: a `reason_code`, and words where that is `other`.",
        "Yes, with a reason.",
    ),
    "invalid_lines": _final(
        400,
        "Invalid lines",
        "The request names a line that the order does not have, or one line twice; `errors` says which.",
    ),
    "invalid_order": _final(
        400, "Invalid order", "The order breaks a limit, of its lines, quantities or total; `errors` names the fields."
    ),
    "unknown_user": _final(400, "Unknown user", "The user service knows no such user, or the user is not active."),
    "unknown_product": _final(
        400, "Unknown product", "The product service does not know a product of the order; `errors` names the lines."
    ),
    "idempotency_key_required": _final(
        400,
        "Idempotency-Key required",
        "This shop takes orders only with an `Idempotency-Key`.",
        "Yes, with an `Idempotency-Key` made once for this basket and kept with it.",
    ),
    "invalid_webhook": _final(
        400,
        "Invalid webhook endpoint",
        "Nothing may be sent to this address, or there is nothing to be sent from this cursor on; `errors` names the "
        "fields.",
    ),
    "unknown_transition": _final(400, "Unknown transition", "There is no such transition."),
    "nothing_selected": _final(400, "Nothing selected", "Nothing in the request says which orders are meant."),
    # --- who asks ---
    "not_authenticated": _final(
        401,
        "Not signed in",
        "The request has no bearer token.",
        "Yes, with an access token in `Authorization: Bearer …`.",
    ),
    "token_expired": _final(
        401,
        "Token expired",
        "The token is genuine, but its time is over.",
        "Yes, with a new access token: get one from the issuer of this one.",
    ),
    "token_invalid": _final(
        401,
        "Token not valid",
        "The token is malformed, was not issued by anybody trusted here, has been revoked, or is not an access token.",
        "Not with this token; have the customer sign in again.",
    ),
    "not_permitted": _final(
        403,
        "Not permitted",
        "The caller is known, but may not do this. Of a service, `scopes` names those of which its token needs one.",
        "No: another caller would have to ask, or with another token.",
    ),
    "permission_denied": _final(
        403, "Permission denied", "The caller is known, but may not do this.", "No: another caller would have to ask."
    ),
    # --- what it is about ---
    "not_found": _final(404, "Address not found", "The API has nothing at this address.", "No: check the address."),
    "order_not_found": _final(
        404,
        "Order not found",
        "There is no such order, or it belongs to somebody else: the two are answered alike.",
        "No: check the id, and whose token is sent.",
    ),
    "order_not_adopted": _final(
        404,
        "Order not adopted",
        "The order was placed with the service that this one replaces, and has not been taken over yet.",
        "Later, once it has been taken over; until then, the other service has it.",
    ),
    "shipment_not_found": _final(
        404, "Shipment not found", "The order has no shipment of this number.", "No: check it, they count from 0."
    ),
    "return_not_found": _final(
        404, "Return not found", "The order has no return of this number.", "No: check it, they count from 0."
    ),
    "run_not_found": _final(404, "Run not found", "There is no such bulk run.", "No: check the id."),
    "webhook_not_found": _final(
        404, "Webhook endpoint not found", "There is no such webhook endpoint.", "No: check the id."
    ),
    "method_not_allowed": _final(
        405, "Method not allowed", "The address exists, but not for this method; `Allow` names those it has.", "No."
    ),
    "not_acceptable": _final(
        406,
        "Not acceptable",
        "The `Accept` header leaves out `application/json`.",
        "Yes, accepting `application/json`.",
    ),
    # --- how things stand ---
    "price_changed": _final(
        409,
        "Price changed",
        "A product costs something else than the order says; `current_prices` has the price of each such line.",
        "Yes, with the new prices, once the customer has agreed to them. The same `Idempotency-Key` may be used.",
    ),
    "insufficient_stock": _final(
        409,
        "Insufficient stock",
        "There is less of a product than was ordered; `errors` names the lines. What had been reserved is released.",
        "Yes, with smaller quantities or without those lines. The same `Idempotency-Key` may be used.",
    ),
    "too_many_open_orders": _final(
        409,
        "Too many unpaid orders",
        "The customer has as many unpaid orders as one may have; `limit` says how many.",
        "Yes, once one of these orders is paid or cancelled.",
    ),
    "transition_not_allowed": _final(
        409,
        "Status change not possible",
        "The order is in a status from which it cannot become what was asked: `current_status` is where it is, "
        "`allowed` where it can go. Cancelling an order that is cancelled already is answered so too, and is done.",
        "No: read the order and decide again.",
    ),
    "lines_not_available": _final(
        409,
        "Lines not available",
        "A line does not have as many units for this as the request names; `errors` says which. It may have been "
        "shipped, cancelled or taken back meanwhile.",
        "No: read the order and decide again.",
    ),
    "payment_too_low": _final(
        409,
        "Payment too low",
        "The amount does not pay the order; `due` says what would.",
        "Yes, once the whole amount has been paid.",
    ),
    "refund_too_high": _final(
        409,
        "Refund too high",
        "This is more than is left of what was paid for the order; `left` says how much that is.",
        "Not with this amount: read the order, perhaps it has been refunded already.",
    ),
    "return_received": _final(
        409,
        "Return received",
        "The return has been received already.",
        "No: it is done.",
    ),
    "hold_refused": _final(
        409,
        "Hold refused",
        "The order is on hold already, or is past being held back; or it has no hold that could be lifted.",
        "No: read the order and decide again.",
    ),
    "order_busy": _passing(
        409, "Order busy", "Others kept changing the order while this was tried.", "Yes, at once or a moment later."
    ),
    "idempotency_key_in_use": _passing(
        409,
        "Request under way",
        "A request with this `Idempotency-Key` is being worked on right now.",
        "Yes, with the same key, after the seconds that `Retry-After` names: the answer will be the first request's.",
    ),
    "run_is_over": _final(
        409,
        "Run is over",
        "The bulk run is done, cancelled or failed; `state` says which.",
        "No: nothing is left of it.",
    ),
    "too_many_webhooks": _final(
        409,
        "Too many webhook endpoints",
        "There are as many webhook endpoints as there may be.",
        "Yes, once one of them is deleted.",
    ),
    "cursor_unknown": _final(
        409,
        "Cursor ahead of the feed",
        "The feed of events has not come to this cursor; `newest` is where it ends.",
        "Yes, after a moment. If it stays so, an older state of the database was restored: read the orders afresh, "
        "then follow the feed from `newest`.",
    ),
    "cursor_expired": _final(
        410,
        "Cursor expired",
        "Events after this cursor have been deleted, since they are only kept for a time; `oldest` is the first that "
        "is left.",
        "Not with this cursor: read the orders afresh, then follow the feed from there.",
    ),
    "stale_order": _final(
        412,
        "Order has changed",
        "The order is at another version than `If-Match` asks for; `changes` says what was changed and by whom.",
        "Read the order, decide again, and send its new `ETag` in `If-Match`.",
    ),
    "idempotency_key_reused": _final(
        422,
        "Idempotency-Key reused",
        "This `Idempotency-Key` came with another request before.",
        "Yes, with a new key, if it really is another request.",
    ),
    "run_exists": _final(
        422,
        "Run exists",
        "This `Idempotency-Key` started another bulk run before.",
        "Yes, with a new key, if it really is another run.",
    ),
    # --- the form of the request ---
    "length_required": _final(
        411, "Length required", "The body came without `Content-Length`.", "Yes, with a `Content-Length`."
    ),
    "body_too_large": _final(413, "Body too large", "The body is larger than this service reads.", "Not at this size."),
    "uri_too_long": _final(414, "Address too long", "The address is longer than this service reads.", "No."),
    "unsupported_media_type": _final(
        415,
        "Unsupported body",
        "The body is not `application/json` in UTF-8, or is encoded in a way that is not read here.",
        "Yes, as plain UTF-8 with `Content-Type: application/json`.",
    ),
    "headers_too_large": _final(431, "Headers too large", "The headers are larger than this service reads.", "No."),
    # --- how often ---
    "too_many_writes": _passing(429, "Too many changes", "The caller makes more changes than one may in a minute."),
    "too_many_refused_tokens": _passing(
        429,
        "Too many refused tokens",
        "Too many tokens from this address were refused.",
        "With a valid token at any time; with another one after the seconds that `Retry-After` names.",
    ),
    # --- trouble here ---
    "server_error": Problem(
        (500,),
        "Fault of the service",
        "Something went wrong in this service; it has been logged under the request's `X-Request-ID`.",
        "A read changes nothing. Of a change it is not known how far it came.",
        "A read at any time. A placement with the same `Idempotency-Key`; of other changes look first at the order.",
        repeatable=False,
    ),
    "not_implemented": _final(
        501, "Transfer encoding not supported", "This transfer encoding is not supported.", "No."
    ),
    "http_version_not_supported": _final(505, "HTTP version not supported", "Only HTTP/1.0 and 1.1 are spoken.", "No."),
    "peer_unavailable": _passing(
        503, "Other service unavailable", "A service that is needed for this, named in `detail`, does not answer."
    ),
    "placement_interrupted": Problem(
        (503,),
        "Order could not be placed",
        "Placing the order was begun and given up: the inventory service did not answer, or too late.",
        "No order was placed; what had been reserved for it is released.",
        "Yes, after the seconds that `Retry-After` names, best with an `Idempotency-Key`.",
        repeatable=True,
    ),
    "database_unavailable": _passing(503, "Database unavailable", "The database of this service cannot be reached."),
    "keys_unavailable": _passing(
        503, "Keys unavailable", "The keys by which tokens are verified cannot be fetched, so nobody can be let in."
    ),
    "service_unavailable": Problem(
        (502, 504),
        "Service unavailable",
        "The order service cannot be reached; the request was not passed on to it.",
        "Nothing was changed.",
        "Yes, after the seconds that `Retry-After` names.",
        repeatable=True,
    ),
    "no_answer": Problem(
        (502, 504),
        "No answer",
        "The order service gave no answer to a read.",
        "A read changes nothing.",
        "Yes, a moment later.",
        repeatable=True,
    ),
    "outcome_unknown": Problem(
        (502, 503, 504),
        "Outcome unknown",
        "The request was passed on, and then no answer came: it may have been carried out.",
        "It is not known whether anything was changed.",
        "With the same `Idempotency-Key` as it is, after a moment: it is then done once. Without a key look first at "
        "the order, or at the list of orders.",
        repeatable=False,
    ),
}
"""Code → its description."""


def type_of(code: str) -> str:
    """The `type` of a code's problem documents: the address of its page, relative to the service."""
    return f"{settings.API_PREFIX}/problems/{code}"
