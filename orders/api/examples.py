"""The examples of the OpenAPI document: real answers of the service, on the demo data.

A request and its answer have one name; that of a refusal is its code. The answers stand in `examples.json`, which
`WRITE_EXAMPLES=1 python -m pytest tests/functional/test_schema_examples.py` writes; without the variable the same tests
compare, whole.
"""

import json
from pathlib import Path
from typing import Any, Final

from orders.api.operations import SHARED
from orders.api.problem_responses import CONTENT_TYPE

Json = Any

ANSWERS: Final = Path(__file__).with_name("examples.json")

ORDER_ID: Final = "68f2c1d09b1e8a0012b70001"
RUN_ID: Final = "68f2c1d09b1e8a0012c80001"
WEBHOOK_ID: Final = "68f2c1d09b1e8a0012d90001"
WEBHOOK_URL: Final = "https://erp.example.com/orders"
SECRET: Final = "whsec_q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="  # noqa: S105 - an example
DIGEST: Final = "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456"
MOMENT: Final = "2026-03-02T09:30:00.000Z"
NUMBER: Final = "7KQF-2M9D-XW3H"
REQUEST_ID: Final = "0c5f1a3e7c1e4a559f0e5b0c1d2e3f40"
ADDRESS = {"line1": "1 Harbour Lane", "city": "Lisbon", "postal_code": "1100-053", "country": "Portugal"}
CONTACT = {"name": "Amara Okafor", "email": "amara.okafor@example.com", "phone": "+351 21 555 0142"}
TOWEL = {"product_id": "665f1c0a9b1e8a0012a40001", "quantity": 2, "price": "14.90"}
MUG = {"product_id": "665f1c0a9b1e8a0012a40007", "quantity": 1, "price": "12.50"}
TRACKING = {"carrier": "DHL Paket", "tracking_number": "00340434161094000000"}
NO_PRODUCT = "000000000000000000000001"
REQUESTS: dict[str, dict[str, Json]] = {
    "place_order": {
        "Two lines": {
            "user_id": "1",
            "items": [TOWEL, MUG],
            "shipping_address": ADDRESS,
            "contact": CONTACT,
            "currency": "EUR",
            "reference": "WEB-20931",
            "note": "Please ring twice.",
            "metadata": {"campaign": "spring"},
        },
        "unknown_product": {
            "user_id": "1",
            "items": [TOWEL | {"product_id": NO_PRODUCT}],
            "shipping_address": ADDRESS,
        },
        "price_changed": {"user_id": "1", "items": [TOWEL | {"price": "13.90"}], "shipping_address": ADDRESS},
    },
    "change_order_status": {
        "Cancel": {"status": "cancelled", "reason": "Ordered twice by mistake"},
        "Paid (admins)": {"status": "paid"},
        "Paid, with the payment (admins)": {
            "status": "paid",
            "payment": {"reference": "pi_3Q8zK2", "method": "card", "amount": "42.30"},
        },
        "Shipped, with tracking (admins)": {"status": "shipped", "shipment": TRACKING},
        "payment_too_low": {"status": "paid", "payment": {"reference": "pi_3Q8zK2", "amount": "1.00"}},
        "transition_not_allowed": {"status": "delivered"},
    },
    "ship_parcel": {"One of two lines": {"lines": [{"line": 0, "quantity": 2}], **TRACKING}},
    "change_tracking": {"Another number": {"tracking_number": "00340434161094000017"}},
    "cancel_lines": {
        "One of two units": {
            "lines": [{"line": 0, "quantity": 1}],
            "reason": "Only one left",
            "reason_code": "out_of_stock",
        },
    },
    "refund_order": {
        "An amount": {"amount": "5.00", "reason": "A scratch", "reason_code": "customer", "reference": "re_3Q8zK2"},
        "A line": {"lines": [{"line": 1, "quantity": 1}], "reason_code": "out_of_stock"},
        "refund_too_high": {"amount": "42.31"},
    },
    "open_return": {
        "One line": {"lines": [{"line": 1, "quantity": 1}], "reason": "The wrong size", "reason_code": "customer"},
    },
    "receive_return": {"Back into stock": {"restock": True}},
    "hold_order": {"Held": {"reason_code": "fraud", "reason": "Two cards were refused"}},
    "start_bulk_transition": {
        "What would happen": {"transition": "ship", "filter": {"status": ["processing"]}, "dry_run": True},
        "Of a filter": {
            "transition": "start_processing",
            "filter": {"status": ["paid"], "limit": 100},
            "reason": "Back from the holidays",
        },
    },
    "create_webhook": {
        "Two types": {
            "url": WEBHOOK_URL,
            "types": ["order.paid", "order.cancelled"],
            "description": "The books",
        },
        "invalid_webhook": {"url": "https://10.0.0.1/orders"},
    },
    "change_webhook": {"Switch off": {"active": False}, "invalid_webhook": {"url": "https://10.0.0.1/orders"}},
    "replay_webhook": {"All there is": {"after": 0}, "invalid_webhook": {"after": 5}},
}
"""Operation → name → body."""


def answers() -> dict[str, Json]:
    """`succeeded`: operation → status → name → answer; `refused`: code → operation, or "*" for all → answer."""
    found: dict[str, Json] = json.loads(ANSWERS.read_text())
    return found


def add_examples(document: dict[str, Any]) -> None:
    """Put the examples where they belong."""
    given = answers()
    refused = given["refused"]
    document["components"]["examples"] = {code: {"value": refused[code]["*"]} for code in SHARED if code in refused}
    for methods in document["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            if name in REQUESTS:
                _show(operation["requestBody"], REQUESTS[name])
            for status, shown in given["succeeded"].get(name, {}).items():
                _show(operation["responses"][status], shown)
            for response in operation["responses"].values():
                for code in response.get("x-codes", ()):
                    _show_refusal(response, code, refused.get(code, {}).get(name))


def _show(described: dict[str, Any], examples: dict[str, Json]) -> None:
    for content in described["content"].values():
        content["examples"] = {name: {"value": value} for name, value in examples.items()}


def _show_refusal(response: dict[str, Any], code: str, answer: Json) -> None:
    shown = {"$ref": f"#/components/examples/{code}"} if code in SHARED else {"value": answer}
    response["content"][CONTENT_TYPE].setdefault("examples", {})[code] = shown
