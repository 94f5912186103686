"""Three peers that speak the HTTP of examples/other_peers.py, as one small real server with stock in memory."""

import contextlib
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pytest_django import Settings

from integrations import peer_requests
from integrations.contract.known import Known
from tests.integration.builders import PRICES, A

Said = tuple[int, dict[str, Any]]


@dataclass
class Shop:
    """What it has, and what it was asked.

    :ivar stock: by product, the units that are available and those that are held.
    :ivar most_is_ignored: a search answers with all that it finds.
    :ivar lost: acts (`reserve`, `release`) that are carried out, and whose answer never comes.
    """

    url: str = ""
    customers: dict[str, str] = field(default_factory=dict)
    prices: dict[str, str] = field(default_factory=dict)
    stock: dict[str, list[int]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    most_is_ignored: bool = False
    asked: list[tuple[str, str, Any, str | None]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counts(self) -> Counter[str]:
        """How often each was asked: customers, lookup, stock, reserve, release."""
        return Counter(
            path.split("/")[1] if method == "GET" else path.split("/")[-1] for method, path, *_ in self.asked
        )

    def answer(self, method: str, target: str, body: Any) -> Said:
        parts = urlsplit(target)
        path = [unquote(part) for part in parts.path.split("/")[1:]]
        match method, path:
            case "GET", ["customers", customer]:
                known = self.customers.get(customer)
                return 200, {"exists": known is not None} | ({"name": known} if known else {})
            case "POST", ["catalogue", "lookup"]:
                return self._products(one for one in body["ids"] if one in self.prices)
            case "GET", ["catalogue", "search"]:
                asked = parse_qs(parts.query)
                words, most = asked["words"][0].lower(), None if self.most_is_ignored else int(asked["most"][0])
                return self._products([one for one in self.prices if words in f"no. {one}"][:most])
            case "GET", ["stock", product] if product in self.stock:
                there, held = self.stock[product]
                wanted = parse_qs(parts.query).get("wanted")
                return 200, {"available": there} | (
                    {"sufficient": there >= int(wanted[0])} if wanted else {"held": held}
                )
            case "POST", ["stock", product, ("reserve" | "release") as act] if product in self.stock:
                assert re.fullmatch("[0-9a-f]{24}", body["reference_id"])
                return self._moved(act, self.stock[product], body["amount"])
        return 404, {"error": "no such thing"}

    def _products(self, found: Iterable[str]) -> Said:
        return 200, {"products": [{"id": one, "title": f"No. {one}", "price": self.prices[one]} for one in found]}

    def _moved(self, act: str, stock: list[int], amount: int) -> Said:
        source, target = (0, 1) if act == "reserve" else (1, 0)
        with self.lock:
            if stock[source] < amount:
                return 409, {"error": f"only {stock[source]} left"}
            stock[source] -= amount
            stock[target] += amount
        return 200, {f"{act}d": amount}


@contextmanager
def open_shop() -> Iterator[Shop]:
    """Yield a shop without anything in it that answers on loopback."""
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(content) if content else None
            shop.asked.append((self.command, urlsplit(self.path).path, body, self.headers.get("Idempotency-Key")))
            status, said = shop.answer(self.command, self.path, body)
            if status == 200 and self.path.rpartition("/")[2] in shop.lost:
                self.close_connection = True
                return
            payload = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_POST = do_GET  # noqa: N815 - a name of the library

        def log_message(self, *_arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.append(request)
            super().process_request(request, client_address)

        def handle_error(self, *_arguments: Any) -> None:
            pass  # a client that hung up

    connections: list[socket.socket] = []
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shop
    finally:
        server.shutdown()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        thread.join()


KNOWN = Known(user_id="17", product_id=A, price=PRICES[A], writes=True)
"""What `shop` has of it."""


@pytest.fixture(name="shop")
def shop_fixture() -> Iterator[Shop]:
    """A shop with one customer and one product."""
    with open_shop() as shop:
        shop.customers["17"] = "Ada"
        shop.prices[A], shop.stock[A] = str(PRICES[A]), [7, 3]
        yield shop
    peer_requests.reset()


@pytest.fixture(name="other")
def other_fixture(settings: Settings, shop: Shop) -> Shop:
    """The same, and the service's peers are those of the example."""
    for peer, backend in (("USER", "Users"), ("PRODUCT", "Products"), ("INVENTORY", "Inventory")):
        setattr(settings, f"{peer}_BACKEND", f"examples.other_peers.{backend}")
        setattr(settings, f"{peer}_SERVICE_URL", shop.url)
    return shop
