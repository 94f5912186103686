"""Who gets which answer from the API, and from what is public."""

from typing import Any

from tests.api_client import order_body
from tests.functional.access.callers import API_CALLERS, API_OUTSIDERS, OWNER, SERVICES
from tests.functional.access.rules import Answers, Ask, Rule
from tests.functional.helpers import TWO_TOWELS


def insiders(other: int, owner: int, admin: int, scopes: str = "") -> Answers:
    """These for whoever has a good token; whoever has none stays outside.

    :param scopes: which of them a service needs to be answered as an admin is; others get 403. None: all are.
    """
    needed = set(scopes.split())
    services = {name: admin if needed <= set(has) else 403 for name, has in SERVICES.items()}
    return dict.fromkeys(API_OUTSIDERS, 401) | {"other customer": other, "owner": owner, "admin": admin} | services


def everybody(status: int) -> Answers:
    return dict.fromkeys(API_CALLERS, status)


def get(scopes: str, *answers: int, **more: Any) -> tuple[Ask, Ask]:
    asks = (Ask(method, insiders(*answers, scopes=scopes), **more) for method in ("GET", "HEAD"))
    return tuple(asks)  # type: ignore[return-value]


def act(method: str, scopes: str, *answers: int, body: Any = None, changes: bool = True, **more: Any) -> Ask:
    return Ask(method, insiders(*answers, scopes=scopes), body, changes=changes, **more)


def endpoint(*asks: Ask) -> Rule:
    return Rule((*asks, Ask("OPTIONS", insiders(200, 200, 200))), insiders(405, 405, 405))


def public(*methods: str) -> Rule:
    return Rule(tuple(Ask(method, everybody(200)) for method in methods), everybody(405))


READ, HOOKS = "read_orders", "manage_webhooks"
READ_ONE = (*get(READ, 404, 200, 200), *get(READ, 404, 404, 404, values={"order_id": "placing"}))
ORDER = "api:orders/<str:order_id>"
RUN = "api:orders/bulk-transitions/<str:run_id>"
WEBHOOK = "api:webhooks/<str:webhook_id>"
RUNS = "read_orders pay_order"
PAY = {"transition": "pay", "filter": {"status": "pending"}}

API_RULES = {
    "api:orders": endpoint(
        *get(READ, 200, 200, 200),
        *get(READ, 403, 200, 200, query=f"user_id={OWNER}"),
        act("POST", "place_orders", 403, 201, 201, body=order_body(OWNER, TWO_TOWELS)),
    ),
    "api:orders/user/<str:user_id>": endpoint(*get(READ, 403, 200, 200)),
    ORDER: endpoint(*READ_ONE, act("DELETE", "cancel_order", 404, 204, 204)),
    f"{ORDER}/status": endpoint(
        act("PUT", "cancel_order", 404, 200, 200, body={"status": "cancelled"}),
        act("PUT", "pay_order", 404, 403, 200, body={"status": "paid"}),
        act("PUT", "ship_order", 404, 403, 200, body={"status": "shipped"}, values={"order_id": "processing"}),
    ),
    f"{ORDER}/history": endpoint(*READ_ONE),
    f"{ORDER}/transitions": endpoint(*READ_ONE),
    f"{ORDER}/shipments": endpoint(
        act("POST", "ship_order", 404, 403, 201, body={}, values={"order_id": "processing"})
    ),
    f"{ORDER}/shipments/<str:shipment_number>": endpoint(
        act("PATCH", "ship_order", 404, 403, 200, body={"carrier": "DHL"}, values={"order_id": "parcelled"})
    ),
    f"{ORDER}/cancellations": endpoint(
        act("POST", "cancel_order", 404, 201, 201, body={"lines": [{"line": 0, "quantity": 1}]})
    ),
    f"{ORDER}/refunds": endpoint(
        act("POST", "refund_order", 404, 403, 201, body={"amount": "1.00"}, values={"order_id": "paid"})
    ),
    f"{ORDER}/returns": endpoint(
        act("POST", "return_order", 404, 403, 201, body={"reason": "Too small"}, values={"order_id": "sent"})
    ),
    f"{ORDER}/returns/<str:return_number>/receipt": endpoint(
        act("POST", "return_order", 404, 403, 200, body={"restock": False}, values={"order_id": "returned"})
    ),
    f"{ORDER}/hold": endpoint(
        act("PUT", "hold_order", 404, 403, 200, body={"reason_code": "fraud"}),
        act("DELETE", "hold_order", 404, 403, 200, values={"order_id": "held"}),
    ),
    "api:orders/bulk-transitions": endpoint(
        act("POST", RUNS, 403, 403, 200, body=PAY | {"dry_run": True}, changes=False),
        act("POST", RUNS, 403, 403, 202, body=PAY),
    ),
    RUN: endpoint(*get(READ, 403, 403, 200)),
    f"{RUN}/cancel": endpoint(act("POST", RUNS, 403, 403, 202)),
    f"{RUN}/pause": endpoint(act("POST", RUNS, 403, 403, 202)),
    f"{RUN}/resume": endpoint(act("POST", RUNS, 403, 403, 202, values={"run_id": "paused"})),
    "api:events": endpoint(
        *get("read_events", 200, 200, 200), *get("read_events", 200, 200, 200, query="types=order.paid&limit=1")
    ),
    "api:webhooks": endpoint(
        *get(HOOKS, 403, 403, 200), act("POST", HOOKS, 403, 403, 201, body={"url": "https://erp.example.com/orders"})
    ),
    WEBHOOK: endpoint(
        *get(HOOKS, 403, 403, 200),
        act("PATCH", HOOKS, 403, 403, 200, body={"active": False}),
        act("DELETE", HOOKS, 403, 403, 204),
    ),
    f"{WEBHOOK}/test": endpoint(act("POST", HOOKS, 403, 403, 200, changes=False)),
    f"{WEBHOOK}/rotate-secret": endpoint(act("POST", HOOKS, 403, 403, 200)),
    f"{WEBHOOK}/end-rotation": endpoint(act("POST", HOOKS, 403, 403, 200, changes=False)),
    f"{WEBHOOK}/replay": endpoint(act("POST", HOOKS, 403, 403, 200, body={"after": 0})),
    "api:openapi.json": public("GET", "HEAD"),
    "api:docs": public("GET", "HEAD"),
    "api:redoc": public("GET", "HEAD"),
    "api:problems": public("GET", "HEAD"),
    "api:problems/<str:code>": public("GET", "HEAD"),
    "plain:admin/language/": Rule((Ask("POST", everybody(302), {"language": "de"}),), everybody(405)),
    "plain:health": public("GET", "HEAD"),
    "plain:health/ready": public("GET", "HEAD"),
}
