"""gunicorn as in production, and clients that are at it all the time and tell every request that failed."""

import json
import os
import random
import select
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from devtools.child_processes import Child
from tests.api_client import order_body, token
from tests.proof.chaos_stage import SECRET, Stage

PRODUCT, PRICE = f"{0xE:08x}{1:016x}", "12.50"
STOCK = 1_000_000
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "tests.settings.production",
    "ALLOWED_HOSTS": "127.0.0.1",
    "SECURE_SSL_REDIRECT": "false",
}
PATIENT = {
    "PEER_CONNECT_TIMEOUT": "3",
    "PEER_READ_TIMEOUT": "15",
    "INVENTORY_WRITE_TIMEOUT": "15",
    "REQUEST_DEADLINE": "40",
    "DATABASE_DEADLINE": "45",
    "GUNICORN_TIMEOUT": "50",
    "STOCK_LEASE": "60",
    "BREAKER_THRESHOLD": "1000",
    "MONGODB_TIMEOUT_MS": "40000",
}
"""On a machine that has a lot to do, no peer is to be taken for one that is down."""
TIMEOUT = 60.0


class ServingStage(Stage):
    """A stage whose web server runs with the production settings."""

    def __init__(self, uri: str, directory: Path, **times: str) -> None:
        super().__init__(uri, directory, keys=False, times=PATIENT | times)

    def serve(self, *options: str, **settings: str) -> Child:
        """Start gunicorn and wait until it is ready; what clients need is there."""
        self.tell("PUT", "users/1", {"email": "a@example.com", "full_name": "A", "active": True})
        body = {"name": "P", "price": PRICE, "category": "", "available": STOCK}
        self.tell("PUT", f"products/{PRODUCT}", body)
        self.environment |= PRODUCTION | settings
        self.start_web(*options)
        self.await_ready()
        assert self.web is not None
        return self.web

    def signal(self, number: int) -> None:
        """Send gunicorn's parent process a signal."""
        assert self.web is not None
        assert self.web.pid is not None
        os.kill(self.web.pid, number)

    def await_workers(self, expected: Any, timeout: float = 40) -> list[int]:
        """Wait until `expected` holds of the workers' process ids, and return them."""
        until = time.monotonic() + timeout
        while not expected(found := self.web_workers()):
            assert time.monotonic() < until, found
            time.sleep(0.05)
        return found

    def claims(self, crowd: "Clients") -> dict[str, Any]:
        """What the clients were told, for the judge."""
        return {"stock": {PRODUCT: STOCK}, "placed": crowd.placed, "changed": crowd.changed, "keys": False}


class Client:
    """One client over HTTP; :meth:`ask` raises where a request got no answer.

    :param kept: whether it keeps its connection from one request to the next. Like urllib3 and every proxy it looks
        before it sends whether the other side has closed it; it repeats nothing.
    """

    def __init__(self, root: str, *, kept: bool) -> None:
        self.kept = kept
        self._tokens = {"1": token("1", key=SECRET), "staff": token("staff", key=SECRET, role="admin")}
        self._connection = HTTPConnection(root.removeprefix("http://"), timeout=TIMEOUT)

    @property
    def port(self) -> int:
        """Our end's port, while connected."""
        assert self._connection.sock is not None
        return int(self._connection.sock.getsockname()[1])

    def ask(self, method: str, path: str, who: str = "1", body: Any = None, key: str = "") -> tuple[int, Any]:
        """:raises OSError, HTTPException: if there was no complete answer."""
        headers = {"Authorization": f"Bearer {self._tokens[who]}"} | ({"Idempotency-Key": key} if key else {})
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        self._drop_what_is_closed()
        try:
            self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except BaseException:
            self.close()
            raise
        if not self.kept:
            self.close()
        return answer.status, json.loads(text) if text else None

    def place(self, key: str) -> tuple[int, Any]:
        body = order_body("1", (PRODUCT, 1, PRICE))
        body["shipping_address"]["line2"] = key  # by which the judge finds an order that was placed twice
        return self.ask("POST", "/api/v1/orders/", body=body, key=key)

    def close(self) -> None:
        self._connection.close()

    def _drop_what_is_closed(self) -> None:
        sock = self._connection.sock
        if sock is not None and select.select([sock], [], [], 0)[0]:
            self.close()


class Clients:
    """Clients that place orders, pay and read them, without a pause or with short ones, until they are stopped."""

    def __init__(self, root: str, number: int = 16) -> None:
        self.placed: dict[str, list[str]] = defaultdict(list)
        self.changed: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.slowest = 0.0
        self._root, self._over = root, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(which,)) for which in range(number)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(3 * TIMEOUT)

    def await_answers(self, number: int) -> None:
        """Wait until so many more requests have been answered."""
        until, enough = time.monotonic() + TIMEOUT, self.counts.total() + number
        while self.counts.total() < enough:
            assert time.monotonic() < until, (self.counts, self.failures)
            time.sleep(0.05)

    def _run(self, which: int) -> None:
        chance = random.Random(which)
        client = Client(self._root, kept=which % 2 == 0)
        longest = 0.02 if which % 4 < 2 else 1.5
        for count in range(10**9):
            if self._over.wait(chance.uniform(0, longest)):
                break
            with suppress(OSError, HTTPException):
                self._buy(client, f"{which}-{count}")
        client.close()

    def _buy(self, client: Client, key: str) -> None:
        order = self._ask(client, 201, "place", key)
        self.placed[key].append(order["id"])
        path = f"/api/v1/orders/{order['id']}"
        self._ask(client, 200, "PUT", f"{path}/status", "staff", {"status": "paid"})
        self.changed.append((order["id"], "paid"))
        self._ask(client, 200, "GET", path)
        self._ask(client, 200, "GET", "/api/v1/orders/user/1?limit=5")

    def _ask(self, client: Client, expected: int, act: str, *what: Any) -> Any:
        began = time.monotonic()
        try:
            status, found = client.place(*what) if act == "place" else client.ask(act, *what)
        except (OSError, HTTPException) as error:
            took = time.monotonic() - began
            self.failures.append(f"{act} {what} (kept: {client.kept}) failed after {took:.2f} s: {error!r}")
            raise
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.counts["kept connection" if client.kept else "new connection"] += 1
        if status != expected:
            self.failures.append(f"{act} {what} was answered {status}: {str(found)[:300]}")
            raise HTTPException(status)
        return found
