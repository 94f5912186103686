"""The operations of the API with their parameters and fields, as its own description lists them."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from tests.api_client import order_body
from tests.functional.access.callers import OWNER
from tests.functional.helpers import TWO_TOWELS
from tests.functional.hostile.values import Json

HOLE = "@@@"
FILTER = {
    "status": ["pending"], "created_from": "2020-01-01", "created_before": "2030-01-01", "user_id": OWNER,
    "product_id": TWO_TOWELS[0], "limit": 10,
}  # fmt: skip
TRACKING = {"carrier": "UPS", "tracking_number": "1Z9", "tracking_url": "https://parcels.example/1Z9"}
BODIES: dict[str, list[Any]] = {
    "place_order": [
        order_body(OWNER, TWO_TOWELS)
        | {
            "billing_address": order_body(OWNER)["shipping_address"],
            "contact": {"name": "Amara Okafor", "email": "amara@example.com", "phone": "+351 21 555 0142"},
            "currency": "EUR",
            "reference": "WEB-1",
            "note": "Ring twice.",
            "metadata": {"campaign": "spring"},
        }
    ],
    "change_order_status": [
        {"status": "cancelled", "reason": "Too late", "reason_code": "customer"},
        {"status": "paid", "payment": {"reference": "pi_1", "method": "card", "amount": "29.80"}},
    ],
    "ship_parcel": [{"lines": [{"line": 0, "quantity": 1}], **TRACKING}],
    "change_tracking": [TRACKING],
    "cancel_lines": [{"lines": [{"line": 0, "quantity": 1}], "reason": "Too late", "reason_code": "customer"}],
    "refund_order": [
        {"amount": "1.50", "reason": "Scratched", "reason_code": "customer", "reference": "re_1"},
        {"lines": [{"line": 0, "quantity": 1}], "reason": "Scratched"},
    ],
    "open_return": [{"lines": [{"line": 0, "quantity": 1}], "reason": "Too small", "reason_code": "customer"}],
    "receive_return": [{"restock": True, "reason": "As new"}],
    "hold_order": [{"reason_code": "fraud", "reason": "Two cards"}],
    "start_bulk_transition": [
        {"transition": "pay", "ids": ["0" * 24], "reason": "", "dry_run": True},
        {"transition": "pay", "filter": FILTER, "reason": "", "dry_run": True},
    ],
    "create_webhook": [{"url": "https://orders.invalid/hook", "types": ["order.paid"], "description": "The books"}],
    "change_webhook": [
        {"url": "https://orders.invalid/hook", "types": ["order.paid"], "description": "The books", "active": False}
    ],
    "replay_webhook": [{"after": 1}],
}
"""Good bodies, in which each field is replaced in turn; a new operation needs one."""
SHIPPED = {"change_order_status": [{"status": "shipped", "shipment": TRACKING}]}
"""Such bodies of an order that is in another status than those before ask for."""
ORDERS = {
    "ship_parcel": "processing", "change_tracking": "parcelled", "refund_order": "paid", "open_return": "sent",
    "receive_return": "returned", "lift_hold": "held",
}  # fmt: skip
"""Operation → the order of the stage of which it is asked; others of the one that is `pending`."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Operation:
    """One operation.

    :ivar parameters: name and place (`path`, `query` or `header`) of each.
    :ivar fields: where each field of the body stands, its lists and objects included.
    """

    name: str
    method: str
    address: str
    parameters: tuple[tuple[str, str], ...]
    fields: tuple[Path, ...]

    def bodies(self) -> list[Any]:
        assert not self.fields or self.name in BODIES, f"a good body for {self.name} is missing in {__name__}"
        return BODIES.get(self.name, [])

    def order(self, path: Path = ()) -> str:
        """The order of the stage for which a body with this place in it is good."""
        return "processing" if path[:1] == ("shipment",) else ORDERS.get(self.name, "pending")

    def body_with(self, path: Path, value: Json) -> str:
        """A good body, as JSON, with another value in one place."""
        known = [*self.bodies(), *SHIPPED.get(self.name, ())]
        bodies = [body for body in known if not path or path[0] in body] or self.bodies()
        return json.dumps(_replaced(copy.deepcopy(bodies[0]), path)).replace(json.dumps(HOLE), value.text)


@cache
def operations() -> tuple[Operation, ...]:
    description = SchemaGenerator().get_schema(request=None, public=True)
    return tuple(
        Operation(
            about["operationId"],
            method.upper(),
            address,
            tuple((parameter["name"], parameter["in"]) for parameter in about.get("parameters", [])),
            tuple(dict.fromkeys(_fields_of(about, description))),  # those of a choice stand in each of its parts
        )
        for address, methods in description["paths"].items()
        for method, about in methods.items()
    )


def _fields_of(about: dict[str, Any], description: dict[str, Any]) -> Iterator[Path]:
    if "requestBody" not in about:
        return
    [content] = about["requestBody"]["content"].values()
    yield ()
    yield from _below(content["schema"], (), description)


def _below(schema: dict[str, Any], path: Path, description: dict[str, Any]) -> Iterator[Path]:
    for part in (*schema.get("allOf", []), *schema.get("oneOf", [])):
        yield from _below(part, path, description)
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        yield from _below(description["components"]["schemas"][name], path, description)
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name)
        yield from _below(inner, (*path, name), description)
    if "items" in schema:
        yield (*path, 0)
        yield from _below(schema["items"], (*path, 0), description)


def _replaced(body: Any, path: Path) -> Any:
    if not path:
        return HOLE
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = HOLE
    return body
