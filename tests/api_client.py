"""A storefront's HTTP client for the tests."""

import time
from typing import Any

import jwt
import requests
from django.conf import settings


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
        return answer

    def place(self, *lines: tuple[str, int, str], key: str | None = None, **changes: Any) -> requests.Response:
        """Place an order of (product_id, quantity, price) lines."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.post("orders/", json=order_body(self.user_id, *lines) | changes, headers=headers)


_token = token


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
