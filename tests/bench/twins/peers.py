"""The calls that a placement needs, one after the other over a session of each thread.

An order is looked at (user, products, stock) and reserved, without any thought of what happens if one of these fails.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import requests

USERS, PRODUCTS, INVENTORY = (os.environ.get(f"{peer}_SERVICE_URL", "") for peer in ("USER", "PRODUCT", "INVENTORY"))
TIMEOUT = 30
_local = threading.local()


def session() -> requests.Session:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.trust_env = False
    kept: requests.Session = _local.session
    return kept


def ask(method: str, url: str, **options: Any) -> Any:
    answer = session().request(method, url, timeout=TIMEOUT, **options)
    answer.raise_for_status()
    return answer.json()


def require(user_id: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Verify and reserve."""
    assert ask("GET", f"{USERS}/users/{user_id}/verify")["valid"]
    for item in items:
        about = {"product_id": item["product_id"], "quantity": item["quantity"]}
        ask("GET", f"{PRODUCTS}/products/{item['product_id']}")
        assert ask("GET", f"{INVENTORY}/inventory/check", params=about)["available"]
    for item in items:
        about = {"product_id": item["product_id"], "quantity": item["quantity"]}
        assert ask("POST", f"{INVENTORY}/inventory/reserve", json=about)["reserved"]


def release(order_id: str, items: Iterable[Any]) -> None:
    for item in items:
        about = {"product_id": item.product_id, "quantity": item.quantity, "order_id": order_id}
        ask("POST", f"{INVENTORY}/inventory/release", json=about)
