"""Who gets which answer from the API, and from what is public."""

from typing import Any

from tests.api_client import order_body
from tests.functional.access.callers import API_CALLERS, API_OUTSIDERS, OWNER
from tests.functional.access.rules import Answers, Ask, Rule
from tests.functional.helpers import TWO_TOWELS


def insiders(other: int, owner: int, admin: int) -> Answers:
    """These for whoever has a good token; whoever has none stays outside."""
    return dict.fromkeys(API_OUTSIDERS, 401) | {"other customer": other, "owner": owner, "admin": admin}


def everybody(status: int) -> Answers:
    return dict.fromkeys(API_CALLERS, status)


def get(*answers: int, **more: Any) -> tuple[Ask, Ask]:
    return tuple(Ask(method, insiders(*answers), **more) for method in ("GET", "HEAD"))  # type: ignore[return-value]


def act(method: str, *answers: int, body: Any = None, changes: bool = True, **more: Any) -> Ask:
    return Ask(method, insiders(*answers), body, changes=changes, **more)


def endpoint(*asks: Ask) -> Rule:
    return Rule((*asks, Ask("OPTIONS", insiders(200, 200, 200))), insiders(405, 405, 405))


def public(*methods: str) -> Rule:
    return Rule(tuple(Ask(method, everybody(200)) for method in methods), everybody(405))


READ_ONE = (*get(404, 200, 200), *get(404, 404, 404, values={"order_id": "placing"}))
ORDER = "api:orders/<str:order_id>"
RUN = "api:orders/bulk-transitions/<str:run_id>"
WEBHOOK = "api:webhooks/<str:webhook_id>"
PAY = {"transition": "pay", "filter": {"status": "pending"}}

API_RULES = {
    "api:orders": endpoint(
        *get(200, 200, 200),
        *get(403, 200, 200, query=f"user_id={OWNER}"),
        act("POST", 403, 201, 201, body=order_body(OWNER, TWO_TOWELS)),
    ),
    "api:orders/user/<str:user_id>": endpoint(*get(403, 200, 200)),
    ORDER: endpoint(*READ_ONE, act("DELETE", 404, 204, 204)),
    f"{ORDER}/status": endpoint(
        act("PUT", 404, 200, 200, body={"status": "cancelled"}), act("PUT", 404, 403, 200, body={"status": "paid"})
    ),
    f"{ORDER}/history": endpoint(*READ_ONE),
    f"{ORDER}/transitions": endpoint(*READ_ONE),
    f"{ORDER}/shipments": endpoint(act("POST", 404, 403, 201, body={}, values={"order_id": "processing"})),
    f"{ORDER}/shipments/<str:shipment_number>": endpoint(
        act("PATCH", 404, 403, 200, body={"carrier": "DHL"}, values={"order_id": "parcelled"})
    ),
    f"{ORDER}/cancellations": endpoint(act("POST", 404, 201, 201, body={"lines": [{"line": 0, "quantity": 1}]})),
    f"{ORDER}/refunds": endpoint(act("POST", 404, 403, 201, body={"amount": "1.00"}, values={"order_id": "paid"})),
    f"{ORDER}/returns": endpoint(act("POST", 404, 403, 201, body={"reason": "Too small"}, values={"order_id": "sent"})),
    f"{ORDER}/returns/<str:return_number>/receipt": endpoint(
        act("POST", 404, 403, 200, body={"restock": False}, values={"order_id": "returned"})
    ),
    f"{ORDER}/hold": endpoint(
        act("PUT", 404, 403, 200, body={"reason_code": "fraud"}),
        act("DELETE", 404, 403, 200, values={"order_id": "held"}),
    ),
    "api:orders/bulk-transitions": endpoint(
        act("POST", 403, 403, 200, body=PAY | {"dry_run": True}, changes=False), act("POST", 403, 403, 202, body=PAY)
    ),
    RUN: endpoint(*get(403, 403, 200)),
    f"{RUN}/cancel": endpoint(act("POST", 403, 403, 202)),
    f"{RUN}/pause": endpoint(act("POST", 403, 403, 202)),
    f"{RUN}/resume": endpoint(act("POST", 403, 403, 202, values={"run_id": "paused"})),
    "api:events": endpoint(*get(200, 200, 200), *get(200, 200, 200, query="types=order.paid&limit=1")),
    "api:webhooks": endpoint(
        *get(403, 403, 200), act("POST", 403, 403, 201, body={"url": "https://erp.example.com/orders"})
    ),
    WEBHOOK: endpoint(
        *get(403, 403, 200),
        act("PATCH", 403, 403, 200, body={"active": False}),
        act("DELETE", 403, 403, 204),
    ),
    f"{WEBHOOK}/test": endpoint(act("POST", 403, 403, 200, changes=False)),
    f"{WEBHOOK}/rotate-secret": endpoint(act("POST", 403, 403, 200)),
    f"{WEBHOOK}/end-rotation": endpoint(act("POST", 403, 403, 200, changes=False)),
    f"{WEBHOOK}/replay": endpoint(act("POST", 403, 403, 200, body={"after": 0})),
    "api:openapi.json": public("GET", "HEAD"),
    "api:docs": public("GET", "HEAD"),
    "api:redoc": public("GET", "HEAD"),
    "api:problems": public("GET", "HEAD"),
    "api:problems/<str:code>": public("GET", "HEAD"),
    "plain:health": public("GET", "HEAD"),
    "plain:health/ready": public("GET", "HEAD"),
}
