"""Bulk runs that are under way while a node is lost: started over HTTP, carried on by the settle workers."""

import time
from datetime import UTC, datetime
from typing import Any

import requests
from bson import Decimal128, ObjectId

from tests.api_client import token
from tests.proof.chaos_stage import SECRET, Stage

Document = dict[str, Any]

PRODUCT = ObjectId(f"{0xB:08x}{1:016x}")
PATIENCE = 45.0
"""Seconds for a run to be done once the set is whole."""
RETRIES = 30


class BulkRuns:
    """One run that pays many orders at once, and one that cancels others, each with a unit to release.

    :param paid, cancelled: how many orders each run is about; their customers are nobody else's.
    """

    def __init__(self, stage: Stage, *, paid: int, cancelled: int) -> None:
        self._stage = stage
        self._orders = {"pay": ("77", paid), "cancel": ("78", cancelled)}
        self._runs: dict[str, str] = {}

    def prepare(self) -> dict[str, int]:
        """Insert the orders. :returns: product → units there are."""
        for transition, (user, number) in self._orders.items():
            holding = transition == "cancel"
            made = [_order(user, f"{transition.upper()}-{count:05}", holding=holding) for count in range(number)]
            self._stage.orders["orders"].insert_many(made)
            if holding:
                self._stage.inventory["movements"].insert_many([_movement(order["_id"]) for order in made])
        held = self._orders["cancel"][1]
        body = {"name": "B", "price": "1.00", "category": "", "available": 0, "reserved": held}
        self._stage.tell("PUT", f"products/{PRODUCT}", body)
        return {str(PRODUCT): held}

    def start(self) -> None:
        for transition, (user, _) in self._orders.items():
            body = {"transition": transition, "filter": {"user_id": user}, "reason": "proof"}
            self._runs[transition] = self._ask("POST", "", body, key=f"bulk-{transition}")["id"]

    def finish(self) -> tuple[dict[str, Any], list[str]]:
        """Wait for the runs. :returns: what they say of themselves, and what is wrong."""
        found, problems = {}, []
        until = time.monotonic() + PATIENCE
        for transition, run_id in self._runs.items():
            run = self._ask("GET", f"/{run_id}")
            while run.get("state") != "done" and time.monotonic() < until:
                time.sleep(0.2)
                run = self._ask("GET", f"/{run_id}")
            number = self._orders[transition][1]
            if (run.get("state"), run.get("done")) != ("done", number):
                problems.append(f"the run that was to {transition} {number} orders is {run}")
            found[transition] = {name: run.get(name) for name in ("state", "total", "done", "already", "last_error")}
            problems += self._not_once(transition, run_id)
        return found, problems

    def _not_once(self, transition: str, run_id: str) -> list[str]:
        user, _ = self._orders[transition]
        times = {
            order["number"]: sum(
                entry["act"] == transition and entry["request_id"] == run_id for entry in order["history"]
            )
            for order in self._stage.orders["orders"].find({"user_id": user})
        }
        return [f"{number} was changed {count} times by the run" for number, count in times.items() if count != 1]

    def _ask(self, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        """Ask, as often as the database is said to be away: the same request is one run."""
        headers = {"Authorization": f"Bearer {token('staff', key=SECRET, role='admin')}"}
        headers |= {"Idempotency-Key": key} if key else {}
        address = f"{self._stage.root}/api/v1/orders/bulk-transitions{path}"
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(RETRIES):
                answer = session.request(method, address, json=body, headers=headers, timeout=30)
                if answer.status_code != 503:
                    break
                time.sleep(0.5)
        return answer.json()


def _order(user: str, number: str, *, holding: bool) -> Document:
    """A pending order with one unit reserved or none, of the time before there were events (tests.feed_invariants)."""
    at = datetime.now(UTC)
    path = (("draft", "", "placing"), ("place", "placing", "pending"))
    history = [
        {
            "at": at, "act": act, "from": source, "to": target, "actor": "system:yesterday", "via": "api", "reason": "",
            "request_id": "", "write_id": f"{number}-{act}",
        }
        for act, source, target in path
    ]  # fmt: skip
    stock = {"state": "reserved" if holding else "none", "attempts": 1, "error": ""}
    item = {"product_id": str(PRODUCT), "quantity": 1, "price": Decimal128("1.00"), "stock": stock}
    address = {"line1": "1", "line2": "", "city": "C", "state": "", "postal_code": "1", "country": "F"}
    return {
        "_id": ObjectId(), "number": number, "user_id": user, "status": "pending", "version": 1, "user_verified": True,
        "items": [item], "total_price": Decimal128("1.00"), "shipping_address": address, "history": history,
        "created_at": at, "updated_at": at, "placed_at": at, "status_since": at,
    }  # fmt: skip


def _movement(order_id: ObjectId) -> Document:
    answer = {"reserved": True, "quantity": 1}
    return {
        "key": f"{order_id}:0:reserve", "order_id": str(order_id), "product_id": PRODUCT, "action": "reserve",
        "quantity": 1, "at": datetime.now(UTC), "answer": answer,
    }  # fmt: skip
