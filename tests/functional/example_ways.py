"""How each operation is brought to answer as its examples say, over real HTTP: well, and with each of its codes."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from bson import ObjectId
from django.utils import timezone
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.api.examples import (
    DIGEST,
    MOMENT,
    NUMBER,
    ORDER_ID,
    REQUEST_ID,
    REQUESTS,
    RUN_ID,
    SECRET,
    WEBHOOK_ID,
    WEBHOOK_URL,
)
from orders.services import access, bulk, rate_limits, service_tokens
from orders.services.events.delivering import deliver
from orders.services.events.telling import tell
from orders.services.events.webhooks import MOST_ENDPOINTS
from orders.storage import order_reads
from orders.storage import rate_counters as rate_limit_counters
from tests.api_client import ADDRESSES, ApiClient, token
from tests.fastapi_orders import fastapi_order
from tests.functional.helpers import (
    NOBODYS_ID,
    SCARCE,
    Api,
    Documents,
    database_down,
    dead_url,
)
from tests.functional.test_authentication import RSA, signed
from tests.integration.test_webhooks import Consumer

Json = Any
BODIES = {
    "place_order": REQUESTS["place_order"]["Two lines"],
    "change_order_status": REQUESTS["change_order_status"]["Cancel"],
    "ship_parcel": REQUESTS["ship_parcel"]["One of two lines"],
    "change_tracking": REQUESTS["change_tracking"]["Another number"],
    "cancel_lines": REQUESTS["cancel_lines"]["One of two units"],
    "refund_order": REQUESTS["refund_order"]["An amount"],
    "open_return": REQUESTS["open_return"]["One line"],
    "receive_return": REQUESTS["receive_return"]["Back into stock"],
    "hold_order": REQUESTS["hold_order"]["Held"],
    "start_bulk_transition": REQUESTS["start_bulk_transition"]["Of a filter"],
    "create_webhook": REQUESTS["create_webhook"]["Two types"],
    "change_webhook": REQUESTS["change_webhook"]["Switch off"],
    "replay_webhook": REQUESTS["replay_webhook"]["All there is"],
}


TO_PROCESSING = ("paid", "processing")
TO_SHIPPED = (*TO_PROCESSING, "shipped")
PARTS: dict[str, tuple[str, ...]] = {
    "ship_parcel": TO_PROCESSING, "change_tracking": TO_SHIPPED, "cancel_lines": TO_PROCESSING,
    "refund_order": TO_PROCESSING, "open_return": TO_SHIPPED, "receive_return": TO_SHIPPED, "hold_order": (),
    "lift_hold": (),
}  # fmt: skip
"""Operation on a part of an order → on its way to what the order is to be."""
BEFORE = {"receive_return": "open_return", "lift_hold": "hold_order"}
"""What is to be done then."""


class Stage:
    """An operation, and a world that can be put as it refuses: `stage.ask()` is a request that is good in all else."""

    def __init__(
        self, operation: str, api: Api, sandbox: Sandbox, database: Documents, settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        self.operation, self.api, self.sandbox, self.database = operation, api, sandbox, database
        self.settings, self.monkeypatch = settings, monkeypatch
        self.is_for_admins = "bulk" in operation or "webhook" in operation or operation in PARTS
        self.ids = {"user_id": "1", "order_id": NOBODYS_ID, "run_id": NOBODYS_ID, "webhook_id": NOBODYS_ID}
        self.ids |= {"shipment_number": "0", "return_number": "0"}

    def caller(self, *, admin: bool | None = None, user_id: str = "1") -> ApiClient:
        client: ApiClient = self.api(user_id, admin=self.is_for_admins if admin is None else admin)
        return client

    def prepare(self) -> None:
        """Let there be what the address names."""
        address = ADDRESSES[self.operation][1]
        if "{order_id}" in address:
            self.bring_to(*PARTS.get(self.operation, ()))
        if before := BEFORE.get(self.operation):
            method, path = ADDRESSES[before]
            answer = self.caller(admin=True).request(method, path.format(**self.ids), json=BODIES[before])
            assert answer.ok, answer.text
        if "{run_id}" in address:
            started = self.caller().post("orders/bulk-transitions", json=BODIES["start_bulk_transition"])
            self.ids["run_id"] = started.json()["id"]
        if "{webhook_id}" in address:
            self.ids["webhook_id"] = self.caller().post("webhooks", json=BODIES["create_webhook"]).json()["id"]

    def place(self) -> None:
        placed = self.caller(admin=False).post("orders/", json=BODIES["place_order"])
        self.ids["order_id"] = placed.json()["id"]

    def bring_to(self, *statuses: str) -> None:
        """Place an order, and have an admin change it."""
        self.place()
        for status in statuses:
            address = f"orders/{self.ids['order_id']}/status"
            assert self.caller(admin=True).put(address, json={"status": status}).status_code == 200

    def ask(
        self, client: ApiClient | None = None, *, body: Any = ..., query: str = "", headers: Any = None,
        data: Any = None, **ids: str,
    ) -> requests.Response:  # fmt: skip
        method, address = ADDRESSES[self.operation]
        body = BODIES.get(self.operation) if body is ... else body
        content: dict[str, Any] = {"json": body} if data is None else {"data": data}
        return (client or self.caller()).request(
            method, address.format(**self.ids | ids) + query, headers=headers, **content
        )

    def with_token(self, made: str | None) -> requests.Response:
        client = self.caller()
        client.headers["Authorization"] = f"Bearer {made}"
        if made is None:
            del client.headers["Authorization"]
        return self.ask(client)


Way = Callable[[Stage], requests.Response]
JSON = {"Content-Type": "application/json"}


def _refused_too_often(stage: Stage) -> requests.Response:
    stage.settings.RATE_LIMIT_REFUSED_TOKENS = 1
    rate_limits.forget()
    stage.with_token("not.a.token")
    return stage.with_token("not.a.token")


def _written_too_often(stage: Stage) -> requests.Response:
    stage.settings.RATE_LIMIT_WRITES = stage.settings.RATE_LIMIT_ADMIN_WRITES = 1
    rate_limits.forget()
    stage.ask()
    return stage.ask()


def _without_keys(stage: Stage) -> requests.Response:
    stage.settings.JWT_JWKS_URL = dead_url()
    return stage.with_token(signed("RS256", RSA, "r"))


def _without_database(stage: Stage) -> requests.Response:
    with database_down():
        return stage.ask()


def _chunks() -> Iterator[bytes]:
    yield b"{}"


def _among_others(stage: Stage) -> requests.Response:
    """Somebody else is always faster, between the look at the order and the write."""
    machine = order_reads.get_machine

    def looked_at(order_id: ObjectId, **how: Any) -> Any:
        found = machine(order_id, **how)
        stage.database["orders"].update_one({"_id": order_id}, {"$inc": {"version": 1}})
        return found

    stage.monkeypatch.setattr(order_reads, "get_machine", looked_at)
    if stage.operation == "refund_order":  # which minds others only where it is told to
        return stage.ask(headers={"If-Match": ", ".join(f'"{version}"' for version in range(100))})
    return stage.ask()


def _stale(stage: Stage) -> requests.Response:
    stage.bring_to("paid")
    return stage.ask(headers={"If-Match": '"1"'})


def _too_early(stage: Stage) -> requests.Response:
    if stage.operation == "cancel_order":
        assert stage.ask().status_code == 204
        return stage.ask()
    if stage.operation in PARTS:
        stage.bring_to(*TO_SHIPPED)
        return stage.ask()
    return stage.ask(stage.caller(admin=True), body=REQUESTS["change_order_status"]["transition_not_allowed"])


def _key_again(stage: Stage) -> requests.Response:
    if stage.operation in ("change_order_status", "cancel_order"):
        address, body = f"orders/{stage.ids['order_id']}/status", {"status": "cancelled", "reason": "Too late"}
        stage.caller().put(address, json=body, headers={"Idempotency-Key": "k"})
        return stage.ask(headers={"Idempotency-Key": "k"})
    if stage.operation in PARTS:
        other_one = "change_tracking" if "shipped" in PARTS[stage.operation] else "cancel_lines"
        method, path = ADDRESSES[other_one]
        body = {"lines": [{"line": 0, "quantity": 1}]} if other_one == "cancel_lines" else {"carrier": "Bikes"}
        answer = stage.caller().request(method, path.format(**stage.ids), json=body, headers={"Idempotency-Key": "k"})
        assert answer.ok, answer.text
        return stage.ask(headers={"Idempotency-Key": "k"})
    stage.ask(headers={"Idempotency-Key": "k"})
    first = BODIES[stage.operation]
    others = {"place_order": {"items": first.get("items", [])[:1]}, "create_webhook": {"types": ["order.paid"]}}
    other = others.get(stage.operation, {"transition": "cancel"})
    return stage.ask(headers={"Idempotency-Key": "k"}, body=first | other)


def _key_in_use(stage: Stage) -> requests.Response:
    stage.ask(headers={"Idempotency-Key": "k"})
    stage.database["orders"].delete_many({})  # as while the first request has not inserted it
    return stage.ask(headers={"Idempotency-Key": "k"})


def _one_open_order(stage: Stage) -> requests.Response:
    stage.settings.MAX_OPEN_ORDERS_PER_USER = 1
    stage.ask()
    return stage.ask()


def _over_the_total(stage: Stage) -> requests.Response:
    stage.settings.MAX_ORDER_TOTAL = Decimal("40.00")
    return stage.ask()


def _without_products(stage: Stage) -> requests.Response:
    stage.settings.PRODUCT_SERVICE_URL = dead_url()
    return stage.ask()


def _without_an_answer(stage: Stage) -> requests.Response:
    stage.sandbox.control.fault("reserve", "drop_before", times=1)
    return stage.ask()


def _line(**changes: Any) -> dict[str, Any]:
    body = BODIES["place_order"]
    return body | {"items": [body["items"][0] | changes]}


def _invalid(stage: Stage) -> requests.Response:
    match stage.operation:
        case "place_order":
            return stage.ask(body=_line(quantity=0))
        case "list_orders" | "list_user_orders" | "list_events":
            return stage.ask(query="?limit=0")
        case "start_bulk_transition":
            return stage.ask(body={"transition": "ship"})
        case "change_order_status":
            return stage.ask(body={"status": "lost"})
        case "create_webhook":
            return stage.ask(body={"types": ["order.lost"]})
    return stage.ask(order_id="x", run_id="x", webhook_id="x")


def _malformed_user(stage: Stage) -> requests.Response:
    if stage.operation == "place_order":
        return stage.ask(body=BODIES["place_order"] | {"user_id": "+17"})
    if stage.operation == "start_bulk_transition":
        return stage.ask(body={"transition": "ship", "filter": {"user_id": "+17"}})
    return stage.ask(query="?user_id=%2B17" if stage.operation == "list_orders" else "", user_id="+17")


FOR_CUSTOMERS = {
    *("get_order", "get_order_history", "list_order_transitions", "cancel_order", "cancel_lines", "list_events"),
}  # fmt: skip
"""Operations that no customer is refused, but a service that lacks the scope."""


def _not_permitted(stage: Stage) -> requests.Response:
    if stage.operation in FOR_CUSTOMERS:
        actor, at = access.system("tests", via="command"), timezone.now()
        made = service_tokens.create(name="payments", scopes=["pay_order"], actor=actor, at=at)
        return stage.ask(stage.api(token=made.secret))
    if stage.operation == "change_order_status":
        return stage.ask(body={"status": "paid"})
    if stage.operation in PARTS:
        return stage.ask(stage.caller(admin=False))
    query = "?user_id=1" if stage.operation == "list_orders" else ""
    return stage.ask(stage.caller(admin=False, user_id="2"), query=query)


def _cut_off(stage: Stage) -> requests.Response:
    """A body that ends before its Content-Length: no client library sends one."""
    client, (method, address) = stage.caller(), ADDRESSES[stage.operation]
    url = urlsplit(client.base + address.format(**stage.ids))
    head = [f"{method} {url.path} HTTP/1.1", f"Host: {url.netloc}", "Content-Type: application/json"]
    head += [f"Authorization: {client.headers['Authorization']}", "Content-Length: 100", "Connection: close", "", "{"]
    with socket.create_connection((url.hostname or "", url.port or 80), timeout=60) as connection:
        connection.sendall("\r\n".join(head).encode())
        connection.shutdown(socket.SHUT_WR)
        came = HTTPResponse(connection)
        came.begin()
        answer = requests.Response()
        answer.status_code, answer._content = came.status, came.read()
        answer.headers.update(came.getheaders())
    return answer


def _answers_lost(stage: Stage) -> requests.Response:
    """The database does not acknowledge what is written for the request, though it may have written it."""
    for name in ("update_one", "find_one_and_update", "insert_many", "delete_many"):
        method = getattr(Collection, name)

        def lost(collection: Any, *args: Any, method: Any = method, **how: Any) -> Any:
            done = method(collection, *args, **how)
            if collection.name == rate_limit_counters.COLLECTION or collection.database.name.endswith("_sandbox"):
                return done
            raise NetworkTimeout("the primary went away")

        stage.monkeypatch.setattr(Collection, name, lost)
    return stage.ask()


def _key_required(stage: Stage) -> requests.Response:
    stage.settings.REQUIRE_IDEMPOTENCY_KEY = True
    return stage.ask()


def _over(stage: Stage) -> requests.Response:
    bulk.cancel_run(run_id=ObjectId(stage.ids["run_id"]), actor=access.admin("staff"))
    return stage.ask()


def _too_late(stage: Stage) -> requests.Response:
    stage.bring_to("paid")
    tell()
    stage.database["events"].delete_one({"_id": 1})
    return stage.ask(stage.caller(admin=True), query="?after=0")


def _one_webhook_too_many(stage: Stage) -> requests.Response:
    for _ in range(MOST_ENDPOINTS):
        assert stage.ask().status_code == 201
    return stage.ask()


def _of_lines(line: int, quantity: int) -> Way:
    def way(stage: Stage) -> requests.Response:
        body = {name: value for name, value in BODIES[stage.operation].items() if name != "amount"}
        return stage.ask(body=body | {"lines": [{"line": line, "quantity": quantity}]})

    return way


def _still_elsewhere(stage: Stage) -> requests.Response:
    document = fastapi_order(_id=ObjectId(NOBODYS_ID))
    stage.database["orders"].replace_one({"_id": document["_id"]}, document, upsert=True)
    return stage.ask(order_id=NOBODYS_ID)


def _twice(stage: Stage) -> requests.Response:
    assert stage.ask().status_code == 200
    return stage.ask()


def _as_admin(name: str) -> Way:
    return lambda stage: stage.ask(stage.caller(admin=True), body=REQUESTS[stage.operation][name])


WAYS: dict[str, Way] = {
    "not_authenticated": lambda stage: stage.with_token(None),
    "token_expired": lambda stage: stage.with_token(token("1", exp=int(time.time()) - 3600)),
    "token_invalid": lambda stage: stage.with_token("not.a.token"),
    "keys_unavailable": _without_keys,
    "too_many_refused_tokens": _refused_too_often,
    "not_acceptable": lambda stage: stage.ask(headers={"Accept": "text/html"}),
    "database_unavailable": _without_database,
    "body_cut_off": _cut_off,
    "outcome_unknown": _answers_lost,
    "idempotency_key_required": _key_required,
    "length_required": lambda stage: stage.ask(data=_chunks(), headers=JSON),
    "too_many_writes": _written_too_often,
    "parse_error": lambda stage: stage.ask(data="{", headers=JSON),
    "body_too_large": lambda stage: stage.ask(data=" " * (1024 * 1024 + 1), headers=JSON),
    "unsupported_media_type": lambda stage: stage.ask(data="<order/>", headers={"Content-Type": "text/xml"}),
    "invalid": _invalid,
    "malformed_user_id": _malformed_user,
    "nothing_selected": lambda stage: stage.ask(body={"transition": "ship", "filter": {"limit": 5}}),
    "invalid_order": _over_the_total,
    "unknown_user": lambda stage: stage.ask(
        stage.caller(user_id="999"), body=BODIES["place_order"] | {"user_id": "999"}
    ),
    "unknown_product": lambda stage: stage.ask(body=REQUESTS["place_order"]["unknown_product"]),
    "price_changed": lambda stage: stage.ask(body=REQUESTS["place_order"]["price_changed"]),
    "insufficient_stock": lambda stage: stage.ask(
        body=_line(product_id=SCARCE.product_id, price=SCARCE.price, quantity=9)
    ),
    "too_many_open_orders": _one_open_order,
    "idempotency_key_in_use": _key_in_use,
    "idempotency_key_reused": _key_again,
    "run_exists": _key_again,
    "peer_unavailable": _without_products,
    "placement_interrupted": _without_an_answer,
    "not_permitted": _not_permitted,
    "order_not_found": lambda stage: stage.ask(order_id=NOBODYS_ID),
    "order_not_adopted": _still_elsewhere,
    "run_not_found": lambda stage: stage.ask(run_id=NOBODYS_ID),
    "transition_not_allowed": _too_early,
    "order_busy": _among_others,
    "stale_order": _stale,
    "reason_missing": lambda stage: stage.ask(body=BODIES[stage.operation] | {"reason_code": "other", "reason": ""}),
    "payment_too_low": _as_admin("payment_too_low"),
    "invalid_lines": _of_lines(7, 1),
    "lines_not_available": _of_lines(0, 9),
    "shipment_not_found": lambda stage: stage.ask(shipment_number="7"),
    "return_not_found": lambda stage: stage.ask(return_number="7"),
    "refund_too_high": _as_admin("refund_too_high"),
    "return_received": _twice,
    "hold_refused": _twice,
    "run_is_over": _over,
    "cursor_unknown": lambda stage: stage.ask(query="?after=1000"),
    "cursor_expired": _too_late,
    "webhook_not_found": lambda stage: stage.ask(webhook_id=NOBODYS_ID),
    "invalid_webhook": lambda stage: stage.ask(body=REQUESTS[stage.operation]["invalid_webhook"]),
    "too_many_webhooks": _one_webhook_too_many,
}
"""Code → how it comes about."""


def _placed(stage: Stage) -> requests.Response:
    """The order that is placed is the one that the example is about."""
    answer = stage.ask()
    stage.ids["order_id"] = answer.json()["id"]
    return answer


def _listed(stage: Stage) -> requests.Response:
    stage.place()
    return stage.ask()


def _planned(stage: Stage) -> requests.Response:
    stage.bring_to("paid", "processing")
    return stage.ask(body=REQUESTS["start_bulk_transition"]["What would happen"])


def _started(stage: Stage) -> requests.Response:
    answer = stage.ask()
    stage.ids["run_id"] = answer.json()["id"]
    return answer


def _with_a_refusal(stage: Stage) -> requests.Response:
    stage.place()
    body = {"transition": "start_processing", "reason": "Back from the holidays", "ids": [stage.ids["order_id"]]}
    stage.ids["run_id"] = stage.caller().post("orders/bulk-transitions", json=body).json()["id"]
    while bulk.execute_pending_runs(seconds=5):
        pass
    return stage.ask()


def _resumed(stage: Stage) -> requests.Response:
    bulk.pause_run(run_id=ObjectId(stage.ids["run_id"]), actor=access.admin("staff"))
    return stage.ask()


def _told(*, admin: bool) -> Way:
    def told(stage: Stage) -> requests.Response:
        stage.bring_to("paid")
        tell()
        return stage.ask(stage.caller(admin=admin))

    return told


def _webhook_made(stage: Stage) -> requests.Response:
    answer = stage.ask()
    stage.ids["webhook_id"] = answer.json()["id"]
    return answer


def _webhooks_listed(stage: Stage) -> requests.Response:
    stage.ids["webhook_id"] = stage.caller().post("webhooks", json=BODIES["create_webhook"]).json()["id"]
    return stage.ask()


def _delivered(stage: Stage) -> requests.Response:
    """Ask after an endpoint of which one event was taken, once somebody listens where it is."""
    stage.settings.WEBHOOKS_INSECURE = True
    consumer, address = Consumer(), f"webhooks/{stage.ids['webhook_id']}"
    try:
        assert stage.caller().patch(address, json={"url": consumer.url}).status_code == 200
        stage.bring_to("paid")
        tell()
        deliver(ObjectId(stage.ids["webhook_id"]))
        return stage.ask()
    finally:
        consumer.stop()


def _shipped(stage: Stage) -> requests.Response:
    stage.bring_to(*TO_PROCESSING)
    return _as_admin("Shipped, with tracking (admins)")(stage)


WELL: dict[tuple[str, str, str], Way] = {
    ("place_order", "201", "Two lines"): _placed,
    ("list_orders", "200", "The newest orders"): _listed,
    ("list_user_orders", "200", "The user's newest orders"): _listed,
    ("get_order", "200", "An order"): Stage.ask,
    ("change_order_status", "200", "Cancel"): Stage.ask,
    ("change_order_status", "200", "Paid (admins)"): lambda stage: stage.ask(
        stage.caller(admin=True), body=REQUESTS["change_order_status"]["Paid (admins)"]
    ),
    ("change_order_status", "200", "Paid, with the payment (admins)"): _as_admin("Paid, with the payment (admins)"),
    ("change_order_status", "200", "Shipped, with tracking (admins)"): _shipped,
    ("ship_parcel", "201", "One of two lines"): Stage.ask,
    ("change_tracking", "200", "Another number"): Stage.ask,
    ("cancel_lines", "201", "One of two units"): Stage.ask,
    ("refund_order", "201", "An amount"): Stage.ask,
    ("refund_order", "201", "A line"): _as_admin("A line"),
    ("open_return", "201", "One line"): Stage.ask,
    ("receive_return", "200", "Back into stock"): Stage.ask,
    ("hold_order", "200", "Held"): Stage.ask,
    ("lift_hold", "200", "Lifted"): Stage.ask,
    ("get_order_history", "200", "A new order"): Stage.ask,
    ("list_order_transitions", "200", "A customer"): Stage.ask,
    ("start_bulk_transition", "200", "What would happen"): _planned,
    ("start_bulk_transition", "202", "Of a filter"): _started,
    ("get_bulk_transition", "200", "A run with a refusal"): _with_a_refusal,
    ("cancel_bulk_transition", "202", "Called off"): Stage.ask,
    ("pause_bulk_transition", "202", "Paused"): Stage.ask,
    ("resume_bulk_transition", "202", "Resumed"): _resumed,
    ("list_events", "200", "A new order is paid (admins)"): _told(admin=True),
    ("list_events", "200", "A new order is paid (its customer)"): _told(admin=False),
    ("list_webhooks", "200", "One endpoint"): _webhooks_listed,
    ("create_webhook", "201", "Two types"): _webhook_made,
    ("get_webhook", "200", "One delivery"): _delivered,
    ("change_webhook", "200", "Switch off"): Stage.ask,
    ("test_webhook", "200", "Taken"): _delivered,
    ("rotate_webhook_secret", "200", "A second secret"): Stage.ask,
    ("end_webhook_rotation", "200", "One secret"): Stage.ask,
    ("replay_webhook", "200", "All there is"): Stage.ask,
}
"""Operation, status and name of an example → how it comes about."""
VOLATILE = [
    (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", MOMENT),
    (r"\b[0-9a-f]{32}\b", REQUEST_ID),
    (r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", NUMBER),
    (r"again in [0-9]+ s\b", "again in 5 s"),
    (r"No more than 1 changes\b", "No more than 600 changes"),
    (r"\b[0-9a-f]{64}\b", DIGEST),
    (r"whsec_[A-Za-z0-9+/]+=*", SECRET),
    (r"http://127\.0\.0\.1:[0-9]+/hook", WEBHOOK_URL),
    (r'"milliseconds": [0-9]+', '"milliseconds": 84'),
]
"""What differs from run to run, or is set lower here, and what the examples have in its place."""


def settled(answer: Json, ids: dict[str, str]) -> Json:
    """An answer with the examples' ids, number, moments and figures in the place of its own."""
    text = json.dumps(answer)
    for name, example in (("order_id", ORDER_ID), ("run_id", RUN_ID), ("webhook_id", WEBHOOK_ID)):
        text = text.replace(ids[name], example) if ids.get(name, NOBODYS_ID) != NOBODYS_ID else text
    for pattern, put in VOLATILE:
        text = re.sub(pattern, put, text)
    return json.loads(text)
