"""An inventory that does what neither the published one nor the sandbox does: one product, in memory, over HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_django import Settings

from integrations import peer_requests


@dataclass
class OddInventory:
    """Its stock, and its oddities.

    :ivar conflicts: a key that comes again is not acted upon, and answered 409.
    :ivar beyond: of a release of more than is reserved: `capped`, `refused`, or `released` whatever is reserved.
    :ivar deaf: calls (`reserve`, `release`) that are answered as if they had been carried out, and are not.
    :ivar sells_anything: a reserve of more than there is is carried out.
    """

    available: int = 50
    reserved: int = 0
    conflicts: bool = False
    beyond: str = "capped"
    deaf: set[str] = field(default_factory=set)
    sells_anything: bool = False
    keys: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, operation: str, quantity: int, key: str) -> tuple[int, dict[str, Any]]:
        with self.lock:
            if operation == "stock":
                return 200, {"available_quantity": self.available, "reserved_quantity": self.reserved}
            if self.conflicts and key in self.keys:
                return 409, {"detail": "This key was used before"}
            self.keys.add(key)
            if operation == "reserve":
                return self._reserve(quantity)
            return self._release(quantity)

    def _reserve(self, quantity: int) -> tuple[int, dict[str, Any]]:
        if quantity > self.available and not self.sells_anything:
            return 400, {"detail": "Insufficient inventory"}
        self._move(0 if "reserve" in self.deaf else quantity)
        return 200, {"reserved": True, "quantity": quantity}

    def _release(self, quantity: int) -> tuple[int, dict[str, Any]]:
        if quantity > self.reserved and self.beyond == "refused":
            return 400, {"detail": "Less is reserved"}
        moved = quantity if self.beyond == "released" else min(quantity, self.reserved)
        self._move(0 if "release" in self.deaf else -moved)
        return 200, {"released": True, "quantity": moved}

    def _move(self, quantity: int) -> None:
        self.available, self.reserved = self.available - quantity, self.reserved + quantity


@contextmanager
def serving(inventory: OddInventory, settings: Settings) -> Iterator[OddInventory]:
    """Let it be the inventory that is asked."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever hangs up does so on purpose."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(*inventory.answer("stock", 0, ""))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.path.rsplit("/", 1)[1]
            self._answer(*inventory.answer(operation, body["quantity"], self.headers["Idempotency-Key"]))

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        settings.INVENTORY_SERVICE_URL = f"http://127.0.0.1:{server.server_port}"
        yield inventory
        server.shutdown()
        peer_requests.reset()
