"""The examples of the OpenAPI document: requests that do with the demo data what their answers say.

A request and its answer have one name. A test sends every request and compares; it fails for an operation without.
"""

from typing import Any, Final

Json = Any

ORDER_ID: Final = "68f2c1d09b1e8a0012b70001"
RUN_ID: Final = "68f2c1d09b1e8a0012c80001"
MOMENT: Final = "2026-03-02T09:30:00.000Z"
ADDRESS = {"line1": "1 Harbour Lane", "city": "Lisbon", "postal_code": "1100-053", "country": "Portugal"}
TOWEL = {"product_id": "665f1c0a9b1e8a0012a40001", "quantity": 2, "price": "14.90"}
MUG = {"product_id": "665f1c0a9b1e8a0012a40007", "quantity": 1, "price": "12.50"}
NO_PRODUCT = "000000000000000000000001"
ORDER: Json = {
    "_id": ORDER_ID,
    "id": ORDER_ID,
    "number": "7KQF-2M9D-XW3H",
    "user_id": "1",
    "user_verified": True,
    "status": "pending",
    "version": 1,
    "items": [TOWEL, MUG],
    "total_price": "42.30",
    "shipping_address": ADDRESS | {"line2": "", "state": ""},
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
CANCELLED = ORDER | {"status": "cancelled", "version": 2}
PAID = ORDER | {"status": "paid", "version": 2}
PLACED: Json = {
    "at": MOMENT,
    "act": "place",
    "from": None,
    "to": "pending",
    "actor": "customer:1",
    "via": "api",
    "reason": "",
    "request_id": "0c5f1a3e7c1e4a559f0e5b0c1d2e3f40",
}
PLAN: Json = {
    "transition": "ship",
    "total": 14,
    "can": 24,
    "already": 0,
    "cannot": 0,
    "refused": [],
    "units": 0,
}
RUN: Json = {
    "id": RUN_ID,
    "transition": "start_processing",
    "state": "selecting",
    "selection": {"status": ["paid"], "limit": 100},
    "reason": "Back from the holidays",
    "actor": "admin:admin",
    "via": "api",
    "total": 0,
    "selected": False,
    "done": 0,
    "already": 0,
    "refused": 0,
    "failed": 0,
    "last_error": "",
    "paused_until": None,
    "created_at": MOMENT,
    "started_at": None,
    "finished_at": None,
}


def problem(status: int, title: str, code: str, detail: str, **members: Json) -> Json:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **members}


REQUESTS: dict[str, dict[str, Json]] = {
    "place_order": {
        "Two lines": {"user_id": "1", "items": [TOWEL, MUG], "shipping_address": ADDRESS},
        "An unknown product": {
            "user_id": "1",
            "items": [TOWEL | {"product_id": NO_PRODUCT}],
            "shipping_address": ADDRESS,
        },
        "A price of yesterday": {"user_id": "1", "items": [TOWEL | {"price": "13.90"}], "shipping_address": ADDRESS},
    },
    "change_order_status": {
        "Cancel": {"status": "cancelled", "reason": "Ordered twice by mistake"},
        "Paid (admins)": {"status": "paid"},
        "Too early (admins)": {"status": "delivered"},
    },
    "start_bulk_transition": {
        "What would happen": {"transition": "ship", "filter": {"status": "processing"}, "dry_run": True},
        "Of a filter": {
            "transition": "start_processing",
            "filter": {"status": ["paid"], "limit": 100},
            "reason": "Back from the holidays",
        },
        "Which orders?": {"transition": "ship"},
    },
}
"""Operation → name → body."""

ANSWERS: dict[str, dict[str, dict[str, Json]]] = {
    "place_order": {
        "201": {"Two lines": ORDER},
        "400": {
            "An unknown product": problem(
                *(400, "Bad Request", "unknown_product", f"There is no product {NO_PRODUCT}."),
                errors={"items.0.product_id": [f"There is no product {NO_PRODUCT}."]},
            )
        },
        "409": {
            "A price of yesterday": problem(
                *(409, "Conflict", "price_changed", "The price of 665f1c0a9b1e8a0012a40001 is 14.90, not 13.90."),
                errors={"items.0.price": ["The price of 665f1c0a9b1e8a0012a40001 is 14.90, not 13.90."]},
                current_prices={"items.0": "14.90"},
            )
        },
    },
    "change_order_status": {
        "200": {"Cancel": CANCELLED, "Paid (admins)": PAID},
        "409": {
            "Too early (admins)": problem(
                *(409, "Conflict", "transition_not_allowed", "An order that is pending cannot become delivered."),
                current_status="pending",
                allowed=["paid", "cancelled"],
            )
        },
    },
    "start_bulk_transition": {
        "200": {"What would happen": PLAN},
        "202": {"Of a filter": RUN},
        "400": {
            "Which orders?": problem(
                *(400, "Bad Request", "invalid", "Give either ids or a filter."),
                errors={"": ["Give either ids or a filter."]},
            )
        },
    },
    "get_order": {"200": {"An order": ORDER}},
    "list_orders": {"200": {"The newest orders": [ORDER]}},
    "list_user_orders": {"200": {"His newest orders": [ORDER]}},
    "get_order_history": {"200": {"A new order": [PLACED]}},
    "list_order_transitions": {
        "200": {"A customer": [{"name": "cancel", "to": "cancelled", "description": "Call the order off."}]}
    },
    "get_bulk_transition": {
        "200": {
            "A run with a refusal": RUN
            | {
                "state": "done",
                "selected": True,
                "total": 1,
                "refused": 1,
                "started_at": MOMENT,
                "finished_at": MOMENT,
                "selection": {"orders": 1, "first": [ORDER_ID]},
                "results": [
                    {
                        "order_id": ORDER_ID,
                        "number": "7KQF-2M9D-XW3H",
                        "result": "refused",
                        "reason": "An order that is pending cannot become processing.",
                    }
                ],
            }
        }
    },
    "cancel_bulk_transition": {"202": {"Called off": RUN | {"state": "cancelled", "finished_at": MOMENT}}},
    "pause_bulk_transition": {"202": {"Paused": RUN | {"state": "paused"}}},
    "resume_bulk_transition": {"202": {"Resumed": RUN | {"state": "queued"}}},
}
"""Operation → status → name → answer."""


def add_examples(document: dict[str, Any]) -> None:
    """Put the examples where they belong."""
    for methods in document["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            if name in REQUESTS:
                _show(operation["requestBody"], REQUESTS[name])
            for status, answers in ANSWERS.get(name, {}).items():
                _show(operation["responses"][status], answers)


def _show(described: dict[str, Any], examples: dict[str, Json]) -> None:
    for content in described["content"].values():
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
