"""A storefront's HTTP client for the tests, which holds every refusal to what the OpenAPI document says of it."""

import re
import time
from typing import Any

import jwt
import requests
from django.conf import settings

ADDRESSES = {
    "place_order": ("POST", "orders/"),
    "list_orders": ("GET", "orders/"),
    "list_user_orders": ("GET", "orders/user/{user_id}"),
    "get_order": ("GET", "orders/{order_id}"),
    "change_order_status": ("PUT", "orders/{order_id}/status"),
    "cancel_order": ("DELETE", "orders/{order_id}"),
    "get_order_history": ("GET", "orders/{order_id}/history"),
    "list_order_transitions": ("GET", "orders/{order_id}/transitions"),
    "ship_parcel": ("POST", "orders/{order_id}/shipments"),
    "change_tracking": ("PATCH", "orders/{order_id}/shipments/{shipment_number}"),
    "cancel_lines": ("POST", "orders/{order_id}/cancellations"),
    "refund_order": ("POST", "orders/{order_id}/refunds"),
    "open_return": ("POST", "orders/{order_id}/returns"),
    "receive_return": ("POST", "orders/{order_id}/returns/{return_number}/receipt"),
    "hold_order": ("PUT", "orders/{order_id}/hold"),
    "lift_hold": ("DELETE", "orders/{order_id}/hold"),
    "start_bulk_transition": ("POST", "orders/bulk-transitions"),
    "get_bulk_transition": ("GET", "orders/bulk-transitions/{run_id}"),
    "cancel_bulk_transition": ("POST", "orders/bulk-transitions/{run_id}/cancel"),
    "pause_bulk_transition": ("POST", "orders/bulk-transitions/{run_id}/pause"),
    "resume_bulk_transition": ("POST", "orders/bulk-transitions/{run_id}/resume"),
    "list_events": ("GET", "events"),
    "list_webhooks": ("GET", "webhooks"),
    "create_webhook": ("POST", "webhooks"),
    "get_webhook": ("GET", "webhooks/{webhook_id}"),
    "change_webhook": ("PATCH", "webhooks/{webhook_id}"),
    "delete_webhook": ("DELETE", "webhooks/{webhook_id}"),
    "test_webhook": ("POST", "webhooks/{webhook_id}/test"),
    "rotate_webhook_secret": ("POST", "webhooks/{webhook_id}/rotate-secret"),
    "end_webhook_rotation": ("POST", "webhooks/{webhook_id}/end-rotation"),
    "replay_webhook": ("POST", "webhooks/{webhook_id}/replay"),
}
"""operationId → method and path."""
ANYWHERE = {"not_found", "method_not_allowed", "bad_request", "server_error"}
"""The codes that any address may answer with; the document names them at its beginning."""
PATTERNS = [
    (name, method, re.compile(re.sub(r"{\w+}", "[^/]+", path.rstrip("/")) + "/?"))
    for name, (method, path) in ADDRESSES.items()
]


def token(subject: str, *, key: str | None = None, **claims: Any) -> str:
    """An access token as the user service issues it; None as a claim's value leaves it out."""
    payload = {"sub": subject, "exp": int(time.time()) + 600, "type": "access"} | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key or settings.SECRET_KEY, algorithm="HS256")


class ApiClient(requests.Session):
    """Requests to the API by path: `client.get("orders/")`."""

    def __init__(self, root: str, user_id: str, *, admin: bool = False, token: str | None = None) -> None:
        super().__init__()
        self.trust_env = False
        self.root, self.user_id = root, user_id
        self.base = f"{root}{settings.API_PREFIX}/"
        claims = {"role": "admin"} if admin else {}
        self.headers["Authorization"] = f"Bearer {token or _token('staff' if admin else user_id, **claims)}"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        address = str(url)
        if not address.startswith("http"):
            address = self.base + address
        answer = super().request(method, address, *args, timeout=115, **kwargs)
        # On a kept connection Django's test server and the kernel wait 40 ms for each other (Nagle's algorithm).
        self.close()
        if answer.headers.get("Content-Type") == "application/problem+json" and answer.content:
            check_problem(answer, str(method), address.removeprefix(self.base).partition("?")[0])
        return answer

    def place(self, *lines: tuple[str, int, str], key: str | None = None, **changes: Any) -> requests.Response:
        """Place an order of (product_id, quantity, price) lines."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.post("orders/", json=order_body(self.user_id, *lines) | changes, headers=headers)


_token = token


def check_problem(answer: requests.Response, method: str, path: str) -> None:
    """Assert that a refusal has a code that has a page, and that the document has it for this operation and status."""
    # Here, since the proof uses this module where Django is not set up.
    from orders.api.operations import codes_of
    from orders.api.problems import PROBLEMS, type_of

    said = answer.json()
    code, status = said["code"], answer.status_code
    assert status in PROBLEMS[code].statuses, said
    assert said["type"] == type_of(code), said
    asked = (name for name, of, pattern in PATTERNS if of == method.upper() and pattern.fullmatch(path))
    if code not in ANYWHERE and (operation := next(asked, None)):
        assert code in codes_of(operation).get(str(status), ()), (operation, status, code)


def order_body(user_id: str, *lines: tuple[str, int, str]) -> dict[str, Any]:
    """A placement's body."""
    return {
        "user_id": user_id,
        "items": [{"product_id": product, "quantity": quantity, "price": price} for product, quantity, price in lines],
        "shipping_address": {
            "line1": "1 Long Street",
            "line2": "",
            "city": "Springfield",
            "state": "",
            "postal_code": "12345",
            "country": "Freedonia",
        },
    }
