"""How the OpenAPI document is made: the fields' patterns, and what no annotation of a view can say."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerFieldExtension

from orders.api import fields
from orders.api.bulk_serializers import StatusesField
from orders.api.examples import add_examples
from orders.models.states import PUBLIC_STATUSES
from orders.services.texts import DROPPED, REFUSED
from orders.services.user_ids import LONGEST_USER_ID

Schema = dict[str, Any]

EMPTY = {"type": "string", "maxLength": 0}
BODY_REFUSALS = {"413": "The body is too large.", "415": "The body is no application/json, or is compressed."}
HEADERS: Schema = {
    "X-Request-ID": "The id by which this request is known in logs, histories and at the peers.",
    "Cache-Control": "`private, no-cache`: may be kept to ask with `If-None-Match`; of problems `no-store`.",
    "ETag": "The order's version, for `If-Match` and `If-None-Match`.",
    "Location": "The address of what was made.",
    "Link": '`rel="next"`: the address of the next page; missing on the last one.',
    "Next-Cursor": "The `cursor` of the next page; missing on the last one.",
    "Idempotency-Replayed": "`true`: an earlier request with the same key did it.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "How to authenticate; of a token that was refused also why (RFC 6750 section 3).",
}
PATTERNS = {
    "X-Request-ID": "^[A-Za-z0-9._:/+=-]{1,64}$",
    "Cache-Control": "^(private, no-cache|no-store)$",
    "ETag": '^"[0-9]{1,9}"$',
    "Location": "^/.+/[0-9a-f]{24}$",
    "Link": '^<.+>; rel="next"$',
    "Idempotency-Replayed": "^true$",
    "Retry-After": "^[1-9][0-9]*$",
    "WWW-Authenticate": "^Bearer ",
}
ORDER_ANSWERS = (("place_order", "201"), ("get_order", "200"), ("get_order", "304"), ("change_order_status", "200"))
KEYED = (("place_order", "201"), ("change_order_status", "200"), ("cancel_order", "204"))
STEERING = ("start", "cancel", "pause", "resume")
MADE = (("place_order", "201"), *((f"{verb}_bulk_transition", "202") for verb in STEERING))
PAGED = (("list_orders", "200"), ("list_user_orders", "200"), ("get_bulk_transition", "200"))
LINKS = {
    ("place_order", "201"): (
        *("get_order", "change_order_status", "cancel_order"),
        *("get_order_history", "list_order_transitions"),
    ),
    ("start_bulk_transition", "202"): (
        *("get_bulk_transition", "cancel_bulk_transition"),
        *("pause_bulk_transition", "resume_bulk_transition"),
    ),
}
"""What can be done with what an operation made."""


class PriceScheme(OpenApiSerializerFieldExtension):
    target_class = fields.PriceField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        text = {"type": "string", "pattern": fields.anchored(fields.PRICE), "maxLength": 11}
        return {"anyOf": [text, {"type": "number", "minimum": 0.01, "maximum": 99_999_999.99, "multipleOf": 0.01}]}


class UserIdScheme(OpenApiSerializerFieldExtension):
    target_class = fields.UserIdField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        text = {"type": "string", "minLength": 1, "maxLength": LONGEST_USER_ID}
        return {"anyOf": [text, {"type": "integer", "minimum": 0, "maximum": 10**19 - 1}]}


class MomentScheme(OpenApiSerializerFieldExtension):
    target_class = fields.MomentField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}


class CountScheme(OpenApiSerializerFieldExtension):
    """A number, or its digits: as many as are surely within the limit, or just those of the limit."""

    target_class = fields.CountField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        most = self.target.max_value
        if self.target.field_name == "quantity":
            most = settings.MAX_LINE_QUANTITY
        digits = fields.anchored(f"[1-9][0-9]{{0,{len(str(most)) - 2}}}|{most}" if most > 9 else f"[1-{most}]")
        return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": most}, {"type": "string", "pattern": digits}]}


class TextScheme(OpenApiSerializerFieldExtension):
    target_class = fields.TextField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        allowed = f"[^{_class(_refused)}]*"
        pattern = f"^{allowed}$"
        if not self.target.allow_blank:  # something in it must be there to read
            pattern = f"^{allowed}[^{_class(_unseen)}]{allowed}$"
        return {"type": "string", "pattern": pattern, "maxLength": self.target.max_length}


class CodeScheme(TextScheme):
    target_class = fields.CodeField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        number = {"type": "integer", "minimum": 0, "maximum": 10**self.target.max_length - 1}
        return {"anyOf": [super().map_serializer_field(auto_schema, direction), number]}


def _refused(char: str) -> bool:
    return bool(REFUSED.match(char))


def _unseen(char: str) -> bool:
    """Whether nothing is left of a text that has only such characters."""
    return _refused(char) or char.isspace() or bool(DROPPED.match(char))


@cache
def _class(belongs: Callable[[str], bool]) -> str:
    """The characters that belong, as the inside of a character class."""
    bounds: list[tuple[int, int]] = []
    for code in range(0x10000):
        if 0xD800 <= code <= 0xDFFF or not belongs(chr(code)):  # halves of characters are no JSON
            continue
        first = bounds.pop()[0] if bounds and bounds[-1][1] == code - 1 else code
        bounds.append((first, code))
    return "".join(f"\\u{first:04x}" + (f"-\\u{last:04x}" if last > first else "") for first, last in bounds)


class StatusesScheme(OpenApiSerializerFieldExtension):
    target_class = StatusesField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        one = {"type": "string", "enum": list(PUBLIC_STATUSES)}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": len(PUBLIC_STATUSES)}]}


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
    """A postprocessing hook: headers, links, refusals that all operations share, examples, and exact requests."""
    _close(result["components"]["schemas"])
    for method, operation in _operations(result):
        if method != "get":
            _add_refusals(operation)
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                parameter["allowEmptyValue"] = True  # which is as if it were not there
        for status, response in operation["responses"].items():
            _describe(operation["operationId"], status, response)
    add_examples(result)
    return result


def _operations(document: Schema) -> Iterator[tuple[str, Schema]]:
    for methods in document["paths"].values():
        yield from methods.items()


def _close(schemas: Schema) -> None:
    """Say that requests are exact. Answers stay open: members may be added to them."""
    for name, schema in schemas.items():
        if schema.get("type") == "object" and name.endswith("Request"):
            schema["additionalProperties"] = False
        for prop in schema.get("properties", {}).values():
            if prop.get("oneOf", [])[1:] == [EMPTY]:  # what the pattern lets through already
                prop |= prop.pop("oneOf")[0]
    schemas["PlaceOrderRequest"]["properties"]["items"] |= {"minItems": 1, "maxItems": settings.MAX_ORDER_LINES}
    schemas["BulkTransitionRequest"]["properties"]["ids"]["minItems"] = 1
    schemas["BulkTransitionRequest"]["oneOf"] = [{"required": ["ids"]}, {"required": ["filter"]}]
    criteria = [name for name in schemas["FilterRequest"]["properties"] if name != "limit"]
    schemas["FilterRequest"]["anyOf"] = [{"required": [name]} for name in criteria]


def _add_refusals(operation: Schema) -> None:
    problem = operation["responses"]["401"]["content"]
    for status, text in BODY_REFUSALS.items():
        operation["responses"].setdefault(status, {"content": problem, "description": text})


def _describe(operation_id: str, status: str, response: Schema) -> None:
    """Add the headers of a response, and the links that lead on from it."""
    key = (operation_id, status)
    headers = {"X-Request-ID": True, "Cache-Control": True}
    headers |= {"ETag": True} if key in ORDER_ANSWERS else {}
    headers |= {"Location": True} if key in MADE else {}
    headers |= {"Idempotency-Replayed": False} if key in KEYED else {}
    headers |= {"Link": False, "Next-Cursor": False} if key in PAGED else {}
    headers |= {"WWW-Authenticate": True} if status == "401" else {}
    headers |= {"Retry-After": status != "409"} if status in {"409", "429", "503"} else {}
    response["headers"] = {name: _header(name, required=required) for name, required in headers.items()}
    if key in LINKS:
        parameter = "order_id" if operation_id == "place_order" else "run_id"
        response["links"] = {
            target: {"operationId": target, "parameters": {f"path.{parameter}": "$response.body#/id"}}
            for target in LINKS[key]
        }


def _header(name: str, *, required: bool) -> Schema:
    pattern = {"pattern": PATTERNS[name]} if name in PATTERNS else {}
    return {"description": HEADERS[name], "required": required, "schema": {"type": "string", **pattern}}
