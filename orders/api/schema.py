"""How the OpenAPI document is made: the patterns of fields, and what the annotations of views cannot say."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerFieldExtension

from orders.api import fields
from orders.api.examples import add_examples
from orders.api.operations import OPERATIONS, codes_of
from orders.api.problem_responses import CONTENT_TYPE
from orders.api.problems import PROBLEMS, type_of
from orders.services.lifecycle.drafts import LONGEST_METADATA_VALUE, MOST_METADATA
from orders.services.text_rules import REFUSED, one_line

Schema = dict[str, Any]

EMPTY = {"type": "string", "maxLength": 0}
HEADERS: Schema = {
    "X-Request-ID": "The id by which this request is known in logs, histories and at the peers.",
    "Cache-Control": "`private, no-cache`: may be kept to ask with `If-None-Match`; of problems and secrets "
    "`no-store`.",
    "ETag": "The order's version, for `If-Match` and `If-None-Match`; of a list a tag for `If-None-Match`.",
    "Location": "The address of what was made.",
    "Link": '`rel="next"`: the address of the next page; missing on the last one.',
    "Next-Cursor": "The `cursor` of the next page; missing on the last one. Of events: `after` of the next request.",
    "Idempotency-Replayed": "`true`: an earlier request with the same key did it.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "How to authenticate; of a token that was refused also why (RFC 6750 section 3).",
    "RateLimit-Limit": "How many changes the caller may make in a period.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until all of them are there again.",
    "RateLimit-Policy": "The limit, and the seconds of a period: `600;w=60`.",
}
PATTERNS = {
    "X-Request-ID": "^[A-Za-z0-9._:/+=-]{1,64}$",
    "Cache-Control": "^(private, no-cache|no-store)$",
    "ETag": '^"([0-9]{1,9}|[0-9a-f]{32})"$',
    "Location": "^/.+/[0-9a-f]{24}$",
    "Link": '^<.+>; rel="next"$',
    "Idempotency-Replayed": "^true$",
    "Retry-After": "^[1-9][0-9]*$",
    "WWW-Authenticate": "^Bearer ",
    "RateLimit-Limit": "^[0-9]+$",
    "RateLimit-Remaining": "^[0-9]+$",
    "RateLimit-Reset": "^[0-9]+$",
    "RateLimit-Policy": "^[0-9]+;w=[0-9]+$",
}
RATE_LIMIT = [name for name in HEADERS if name.startswith("RateLimit-")]
UNCOUNTED = {"401", "406", "411"}
"""Statuses of refusals that come before a write is counted."""
MONEY = "^[0-9]{1,12}\\.[0-9]{2}$"
BULK_BY_IDS, BULK_BY_FILTER = "BulkTransitionByIdsRequest", "BulkTransitionByFilterRequest"
LISTS = tuple((name, status) for name in ("list_orders", "list_user_orders") for status in ("200", "304"))
PARTS = (
    *(("ship_parcel", "201"), ("change_tracking", "200"), ("cancel_lines", "201"), ("refund_order", "201")),
    *(("open_return", "201"), ("receive_return", "200"), ("hold_order", "200"), ("lift_hold", "200")),
)
CHANGED = (("place_order", "201"), ("change_order_status", "200"), *PARTS)
TAGGED = (("get_order", "200"), ("get_order", "304"), *CHANGED, *LISTS)
KEYED = (*CHANGED, ("cancel_order", "204"), ("create_webhook", "201"))
STEERING = ("start", "cancel", "pause", "resume")
MADE = (("place_order", "201"), ("create_webhook", "201"), *((f"{verb}_bulk_transition", "202") for verb in STEERING))
PAGED = (*LISTS, ("get_bulk_transition", "200"))
LINKS = {
    ("place_order", "201"): (
        *("get_order", "change_order_status", "cancel_order"),
        *("get_order_history", "list_order_transitions"),
        *("ship_parcel", "cancel_lines", "refund_order", "open_return", "hold_order", "lift_hold"),
    ),
    ("create_webhook", "201"): ("get_webhook", "change_webhook", "replay_webhook", "delete_webhook"),
    ("start_bulk_transition", "202"): (
        *("get_bulk_transition", "cancel_bulk_transition"),
        *("pause_bulk_transition", "resume_bulk_transition"),
    ),
}
"""Links from the answer of an operation to what can be done next."""
MADE_BY = {"place_order": "order_id", "create_webhook": "webhook_id", "start_bulk_transition": "run_id"}
"""Operation → the parameter that takes the id of what it made."""


class CountScheme(OpenApiSerializerFieldExtension):
    target_class = fields.CountField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        most = self.target.max_value
        if self.target.field_name == "quantity":
            most = settings.MAX_LINE_QUANTITY
        return {"type": "integer", "minimum": 1, "maximum": most}


class TextScheme(OpenApiSerializerFieldExtension):
    target_class = fields.TextField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        allowed = f"[^{_class(_refused)}]*"
        pattern = f"^{allowed}$"
        if isinstance(self.target, fields.ShapedField):
            pattern = fields.anchored(
                f"|{self.target.shape.pattern}" if self.target.allow_blank else self.target.shape.pattern
            )
        elif not self.target.allow_blank:  # something in it must be there to read
            pattern = f"^{allowed}[^{_class(_unseen)}]{allowed}$"
        return {"type": "string", "pattern": pattern, "maxLength": self.target.max_length}


class MetadataScheme(OpenApiSerializerFieldExtension):
    target_class = fields.MetadataField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        text = {"type": "string", "pattern": f"^[^{_class(_refused)}]*$", "maxLength": LONGEST_METADATA_VALUE}
        return {"type": "object", "maxProperties": MOST_METADATA, "additionalProperties": text}


def _refused(char: str) -> bool:
    return bool(REFUSED.match(char))


def _unseen(char: str) -> bool:
    """Whether a text of such characters alone is empty once tidied."""
    return _refused(char) or not one_line(char)


@cache
def _class(belongs: Callable[[str], bool]) -> str:
    """The characters that belong, as the inside of a character class."""
    bounds: list[tuple[int, int]] = []
    for code in range(0x10000):
        if 0xD800 <= code <= 0xDFFF or not belongs(chr(code)):  # surrogates are not valid in JSON
            continue
        first = bounds.pop()[0] if bounds and bounds[-1][1] == code - 1 else code
        bounds.append((first, code))
    return "".join(f"\\u{first:04x}" + (f"-\\u{last:04x}" if last > first else "") for first, last in bounds)


class PatternScheme(OpenApiSerializerFieldExtension):
    target_class = fields.PatternField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string", "pattern": fields.anchored(self.target.pattern.pattern)}


def leave_out_aliases(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Each address answers with and without a slash at its end; the document shows the specified form only."""
    paths = {path for path, *_ in endpoints}
    return [endpoint for endpoint in endpoints if not _is_alias(endpoint[0], paths)]


def _is_alias(path: str, paths: set[str]) -> bool:
    if path.endswith("/orders"):
        return f"{path}/" in paths
    return path.endswith("/") and path.removesuffix("/") in paths and not path.endswith("/orders/")


def complete(result: Schema, **_generator: Any) -> Schema:
    """A postprocessing hook: what the annotations of views cannot say."""
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        _spell_out(schema)
        if name.endswith("Request"):
            _ask_exactly(schema)
    _limit(schemas)
    # A reference cannot be null, what it leads to can.
    schemas["Metadata"] = schemas["Order"]["properties"]["metadata"]  # some generators cannot name it by themselves
    for name in ("Order", "EventOrder"):
        schemas[name]["properties"]["metadata"] = {"$ref": "#/components/schemas/Metadata"}
        schemas[name]["properties"]["billing_address"] = {"$ref": "#/components/schemas/OrderBillingAddress"}
    schemas["OrderBillingAddress"]["nullable"] = True
    schemas["Event"]["properties"]["order"] = {"$ref": "#/components/schemas/EventOrder"}
    schemas["EventOrder"]["nullable"] = True
    # Generated clients would make one name of the two.
    for name in ("Order", "EventOrder"):
        for part in (schemas[name]["properties"].pop, schemas[name]["required"].remove):
            part("_id")
    for operation_id, operation in _operations(result).items():
        operation["summary"] = OPERATIONS[operation_id].summary
        _name_scopes(operation_id, operation)
        if operation_id in ("change_webhook", "change_tracking", "refund_order", "open_return", "ship_parcel"):
            operation["requestBody"]["required"] = True
        _enumerate_codes(operation_id, operation)
    for method, operation in _methods(result):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                parameter["allowEmptyValue"] = True  # which is as if it were not there
        for status, response in operation["responses"].items():
            _describe(operation["operationId"], status, response, counted=method != "get" and status not in UNCOUNTED)
    add_examples(result)
    return result


def _methods(document: Schema) -> Iterator[tuple[str, Schema]]:
    for methods in document["paths"].values():
        yield from methods.items()


def _operations(document: Schema) -> dict[str, Schema]:
    return {operation["operationId"]: operation for _, operation in _methods(document)}


def _spell_out(schema: Schema) -> None:
    """Describe properties with the keywords that all client generators support."""
    for prop in schema.get("properties", {}).values():
        if prop.get("oneOf", [])[1:] == [EMPTY]:  # what the pattern lets through already
            prop |= prop.pop("oneOf")[0]
        if prop.get("format") == "decimal":
            del prop["format"]
            prop["pattern"] = MONEY


def _ask_exactly(schema: Schema) -> None:
    """Requests have no other members. What has a default may be left out: a default in words, since generators take a
    property that has one for always there."""
    schema["additionalProperties"] = False
    for prop in schema["properties"].values():
        if "default" in prop:
            said = {"": "empty", False: "false"}[prop.pop("default")]
            prop["description"] = f"{prop.get('description', '')} Left out: {said}.".strip()


def _limit(schemas: Schema) -> None:
    """State the limits of lists, and which properties exclude each other."""
    schemas["PlaceOrderRequest"]["properties"]["items"] |= {"minItems": 1, "maxItems": settings.MAX_ORDER_LINES}
    for name in ("PatchedChangeWebhookRequest", "PatchedChangeTrackingRequest"):
        schemas[name]["minProperties"] = 1
    for name in ("ShipmentRequest", "CancellationRequest", "RefundRequest", "ReturnRequest"):
        schemas[name]["properties"]["lines"] |= {"minItems": 1, "maxItems": settings.MAX_ORDER_LINES}
    both = schemas["BulkTransitionRequest"]
    both["properties"]["ids"]["minItems"] = 1
    for name, other, kind in (("ids", "filter", BULK_BY_IDS), ("filter", "ids", BULK_BY_FILTER)):
        properties = {key: value for key, value in both["properties"].items() if key != other}
        schemas[kind] = both | {"properties": properties, "required": [*both["required"], name]}
    references = [{"$ref": f"#/components/schemas/{kind}"} for kind in (BULK_BY_IDS, BULK_BY_FILTER)]
    schemas["BulkTransitionRequest"] = {"oneOf": references, "description": both["description"]}


def _enumerate_codes(operation_id: str, operation: Schema) -> None:
    """List the codes of each refusal. Not as an `enum`: some generated clients fail on a code that is not in it."""
    for status, codes in codes_of(operation_id).items():
        response = operation["responses"].setdefault(status, {"description": ""})
        listed = "\n".join(f"- [`{code}`]({type_of(code)}): {PROBLEMS[code].title}" for code in codes)
        response["description"] = f"{response['description']}\n\n{listed}".strip()
        response["content"] = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        response["x-codes"] = codes


def _name_scopes(operation_id: str, operation: Schema) -> None:
    """Say which scopes of a service open an operation. Not as `security`: OpenAPI 3.0 knows scopes of OAuth alone."""
    needed = operation["x-scopes"] = list(OPERATIONS[operation_id].scopes)
    told = " or ".join(f"`{scope}`" for scope in needed)
    if operation_id == "change_order_status":
        told += ", as the status asks"
    elif operation_id != "get_bulk_transition" and operation_id.endswith("bulk_transition"):
        told += ", and that of the transition"
    operation["description"] = f"{operation.get('description', '')}\n\nScope of a service's token: {told}.".strip()


def _describe(operation_id: str, status: str, response: Schema, *, counted: bool) -> None:
    """Add the headers and the links of a response."""
    key = (operation_id, status)
    headers = {"X-Request-ID": True, "Cache-Control": True}
    headers |= {"ETag": True} if key in TAGGED else {}
    headers |= {"Location": True} if key in MADE else {}
    headers |= {"Idempotency-Replayed": False} if key in KEYED else {}
    headers |= {"Link": False, "Next-Cursor": False} if key in PAGED else {}
    headers |= {"Link": False, "Next-Cursor": True} if key == ("list_events", "200") else {}
    headers |= {"WWW-Authenticate": True} if status == "401" else {}
    headers |= dict.fromkeys(RATE_LIMIT, False) if counted else {}
    headers |= {"Retry-After": status != "409"} if status in {"409", "429", "503"} else {}
    response["headers"] = {name: _header(name, required=required) for name, required in headers.items()}
    if key in LINKS:
        response["links"] = {
            target: {"operationId": target, "parameters": {f"path.{MADE_BY[operation_id]}": "$response.body#/id"}}
            for target in LINKS[key]
        }


def _header(name: str, *, required: bool) -> Schema:
    pattern = {"pattern": PATTERNS[name]} if name in PATTERNS else {}
    return {"description": HEADERS[name], "required": required, "schema": {"type": "string", **pattern}}
