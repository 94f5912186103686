"""Many clients at once, at the same few orders and products, over HTTP: each act is one line in the event log."""

import json
import random
import threading
import time
from collections import Counter, defaultdict, deque
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from tests.api_client import order_body, token
from tests.proof.chaos_stage import SECRET

PRICE = "12.50"
USERS = ("1", "2", "3")
HOT = 8
"""Orders that everybody is at, at a time."""
TIMEOUT = 20.0
PATIENCE = 5
"""How often a client sends one placement before it gives up."""

PARTS = {
    "shipments": lambda line: {"lines": [line], "carrier": "UPS", "tracking_number": "1Z"},
    "cancellations": lambda line: {"lines": [line], "reason": "proof"},
    "refunds": lambda _line: {"amount": "10.00", "reason": "proof"},
    "returns": lambda line: {"lines": [line], "reason": "proof"},
    "returns/0/receipt": lambda _line: {"restock": True},
}
"""What is done to a part of an order, each with the body of its request, given a line and its quantity."""
NEXT = {
    "pending": ("paid", "paid", "paid", "cancelled", "cancel", "cancellations"),
    "paid": ("processing", "processing", "refunded", "cancel", "cancellations", "refunds"),
    "processing": ("shipped", "shipped", "shipments", "shipments", "cancellations", "refunds", "refunded", "cancelled"),
    "shipped": ("delivered", "delivered", "refunded", "refunds", "returns", "returns/0/receipt"),
    "delivered": ("returns", "returns/0/receipt", "refunds"),
}
"""What makes sense in a status; `cancel` is the customer's own."""
ANYTHING = ("paid", "processing", "shipped", "delivered", "cancelled", "refunded", "cancel", "read", "list", *PARTS)
EXPECTED = {200, 201, 204, 400, 409, 412, 503}
PUBLIC = {"pending", "paid", "processing", "shipped", "delivered", "cancelled", "refunded"}


class EventLog:
    """One JSON line an event, in a file and in memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.events = path, []  # type: tuple[Path, list[dict[str, Any]]]
        self._file, self._lock, self._began = path.open("w"), threading.Lock(), time.monotonic()

    def note(self, **event: Any) -> None:
        with self._lock:
            event = {"t": round(time.monotonic() - self._began, 3), **event}
            self.events.append(event)
            self._file.write(json.dumps(event) + "\n")

    def story(self, *names: str, last: int = 60) -> list[dict[str, Any]]:
        """The last events that name one of these orders or keys; without any, the last of all."""
        wanted = {name for name in names if name}
        told = [event for event in self.events if not wanted or wanted & {event.get("order"), event.get("key")}]
        return told[-last:]

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Placing:
    """One placement as its client means it, however often it is sent."""

    key: str
    user: str
    body: dict[str, Any]


class Crowd:
    """The clients.

    :param operations, seconds: whichever is reached first ends it.
    :param patience: how often one placement is sent until its client gives up.
    :param pause: seconds between two acts of a client.
    """

    def __init__(
        self, root: str, products: list[str], log: EventLog, *, seed: int, clients: int, operations: int,
        seconds: float, patience: int = PATIENCE, pause: float = 0.0,
    ) -> None:  # fmt: skip
        self.placed: dict[str, list[str]] = defaultdict(list)
        self.changed: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()
        """How often something was done to a part of an order."""
        self.violations: list[str] = []
        self.acknowledged: list[tuple[float, float]] = []
        """When each write that was acknowledged was sent and answered, by the monotonic clock."""
        self.slowest = 0.0
        self._patience, self._pause = patience, pause
        self._root, self._products, self._log, self._seed = root, products, log, seed
        self._tokens = {user: token(user, key=SECRET) for user in USERS}
        self._tokens["staff"] = token("staff", key=SECRET, role="admin")
        self._hot: dict[str, tuple[str, str]] = {}
        self._placings: deque[Placing] = deque(maxlen=HOT)
        self._left, self._until, self._lock = operations, time.monotonic() + seconds, threading.Lock()
        self._threads = [
            threading.Thread(target=self._client, args=(number,), name=f"client-{number}") for number in range(clients)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    @property
    def answered(self) -> int:
        return self.counts["requests"] - self.counts["no answer"]

    def stop(self) -> None:
        """Let each client end what it is doing; bounded by the patience of one."""
        self._left = 0
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(self._patience * (TIMEOUT + 3))

    def report(self) -> dict[str, Any]:
        return {
            "counts": dict(sorted(self.counts.items())),
            "parts": dict(self.parts),
            "slowest_seconds": round(self.slowest, 2),
        }

    def _client(self, number: int) -> None:
        chance = random.Random(f"{self._seed}:{number}")
        try:
            for count in range(10**9):
                with self._lock:
                    self._left -= 1
                    if self._left < 0 or time.monotonic() > self._until:
                        return
                    self.counts["operations"] += 1
                self._act(chance, f"{self._seed}-{number}-{count}")
                time.sleep(chance.uniform(0.0, 2 * self._pause))
        except Exception as error:
            self.violations.append(f"client {number} failed: {error!r}")

    def _act(self, chance: random.Random, name: str) -> None:
        hot = list(self._hot.items())
        if len(hot) < 2 or chance.random() < 0.3:
            self._place(self._new_placing(chance, name), chance)
        elif self._placings and chance.random() < 0.12:
            self._place(chance.choice(list(self._placings)), chance)
        else:
            order, (user, status) = chance.choice(hot)
            act = chance.choice(ANYTHING if chance.random() < 0.25 else NEXT.get(status, ANYTHING))
            self._do(act, order, user, chance)

    def _new_placing(self, chance: random.Random, key: str) -> Placing:
        products = chance.sample(self._products, chance.choice((1, 1, 2, 2, 3)))
        if chance.random() < 0.1:
            products.append(products[0])  # two lines of one product
        user = chance.choice(USERS)
        body = order_body(user, *((product, chance.randint(1, 3), PRICE) for product in products))
        body["shipping_address"]["line2"] = key
        placing = Placing(key, user, body)
        self._placings.append(placing)
        return placing

    def _place(self, placing: Placing, chance: random.Random) -> None:
        for attempt in range(1, self._patience + 1):
            sent = {"op": "place", "key": placing.key, "attempt": attempt}
            status, found = self._send("POST", "orders/", placing.user, sent, body=placing.body, key=placing.key)
            if status == 201:
                with self._lock:
                    self.placed[placing.key].append(found["id"])
                    self._heat(found["id"], placing.user, found["status"])
                return
            busy = status == 409 and found.get("code") == "idempotency_key_in_use"
            if not (status in (None, 503) or busy):
                return
            time.sleep(chance.uniform(0.05, 0.5) * (3 if busy else 1))

    def _do(self, act: str, order: str, user: str, chance: random.Random) -> None:
        sent = {"op": act, "order": order}
        if act == "list":
            status, found = self._send("GET", "orders/?limit=20", "staff", sent)
            if status == 200 and (drafts := [one for one in found if one["status"] not in PUBLIC]):
                self.violations.append(f"the storefront shows {drafts}")
            return
        if act == "read":
            status, found = self._send("GET", f"orders/{order}", user, sent)
            target = ""
        elif act == "cancel":
            status, found = self._send("DELETE", f"orders/{order}", user, sent)
            target, found = "cancelled", {"status": "cancelled"} if status == 204 else found
        elif act in PARTS:
            line = {"line": chance.randint(0, 2), "quantity": chance.randint(1, 2)}
            sent |= {"key": (name := f"{order}-{chance.getrandbits(64):x}")}
            status, found = self._send("POST", f"orders/{order}/{act}", "staff", sent, body=PARTS[act](line), key=name)
            target = ""
        else:
            match = f'"{chance.randint(1, 3)}"' if chance.random() < 0.05 else None
            path = f"orders/{order}/status"
            status, found = self._send("PUT", path, "staff", sent, body={"status": act}, match=match)
            target = act
        if status == 404 and found.get("code") != "return_not_found":
            self.violations.append(f"order {order}, which was placed, is not found")
        with self._lock:
            if status in (200, 201, 204):
                if target:
                    self.changed.append((order, target))
                self._heat(order, user, found["status"])
            elif status == 409 and "current_status" in found:
                self._heat(order, user, found["current_status"])

    def _heat(self, order: str, user: str, status: str) -> None:
        """Note an order's status for all clients; what is over stays for a while, and cools off."""
        if order in self._hot or status in NEXT:
            self._hot[order] = (user, status)
        over = [name for name, (_, reached) in self._hot.items() if reached not in NEXT]
        for name in over[:-2] or (list(self._hot)[:1] if len(self._hot) > HOT else []):
            del self._hot[name]

    def _send(
        self, method: str, path: str, who: str, event: dict[str, Any], *, body: Any = None, key: str | None = None,
        match: str | None = None,
    ) -> tuple[int | None, Any]:  # fmt: skip
        headers = {"Authorization": f"Bearer {self._tokens[who]}", "Connection": "close"}
        headers |= ({"Idempotency-Key": key} if key else {}) | ({"If-Match": match} if match else {})
        headers |= {"Content-Type": "application/json"} if body else {}
        began, status, found = time.monotonic(), None, {}
        try:
            # Not by requests: 24 clients share two processors with all that they test.
            with closing(HTTPConnection(self._root.removeprefix("http://"), timeout=TIMEOUT)) as connection:
                connection.request(method, f"/api/v1/{path}", json.dumps(body) if body else None, headers)
                answer = connection.getresponse()
                text = answer.read()
            status, found = answer.status, json.loads(text) if text else {}
            self._require_a_problem(method, path, answer, found)
        except (OSError, HTTPException) as error:
            event = event | {"error": type(error).__name__}
        took = time.monotonic() - began
        if status == 201 and event["op"] in PARTS:
            self.parts[event["op"]] += 1
        told = {name: found[name] for name in ("code", "current_status") if name in found} if status != 200 else {}
        if status in (200, 201) and isinstance(found, dict):
            told = {"order": found["id"], "now": found["status"]}
        name = threading.current_thread().name
        self._log.note(who=name, **(event | {"status": status, "ms": round(took * 1000)} | told))
        with self._lock:
            if method != "GET" and status in (200, 201, 204):
                self.acknowledged.append((began, began + took))
            self.slowest = max(self.slowest, took)
            self.counts["requests"] += 1
            self.counts[f"answered {status}" if status else "no answer"] += 1
        if status is not None and status not in EXPECTED and status != 404:
            self.violations.append(f"{method} {path} by {who} was answered {status}: {str(found)[:300]}")
        return status, found

    def _require_a_problem(self, method: str, path: str, answer: HTTPResponse, found: Any) -> None:
        """Whatever is refused is told in a problem document, and with 503 when to come again."""
        kind, wait = answer.headers.get_content_type(), answer.headers.get("Retry-After", "")
        if answer.status >= 400 and (kind != "application/problem+json" or "detail" not in found):
            self.violations.append(f"{method} {path} was answered {answer.status} as {kind}: {str(found)[:300]}")
        if answer.status == 503 and not wait.isdecimal():
            self.violations.append(f"{method} {path} was answered 503 with Retry-After {wait!r}")
