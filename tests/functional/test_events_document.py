"""docs/events.md: its examples are the service's own, and its programs verify what was really sent."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from bson import ObjectId
from django.conf import settings
from django.utils import timezone
from pytest_django import Settings

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from orders.api.examples import DIGEST, MOMENT, NUMBER, ORDER_ID, REQUEST_ID, RUN_ID
from orders.models import EVENT_TYPES, Document
from orders.services.events import delivering, publishing, webhooks
from orders.services.events.public_event import public_event
from orders.services.events.telling import START, tell
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.holding import hold, lift
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.refunding import refund
from orders.services.fulfilment.returning import open_return, receive_return
from orders.services.fulfilment.shipping import change_tracking, ship
from orders.services.lifecycle.editing import change_address
from orders.services.lifecycle.erasing import erase_order
from orders.services.lifecycle.late_verification import verify_user
from orders.services.lifecycle.tracking import Tracking
from orders.services.lifecycle.transitions import change_status
from orders.services.stock.resolution import resolve_line
from orders.storage import event_feed
from orders.storage.order_writes import orders
from tests.functional.helpers import Api
from tests.functional.test_openapi import document_fixture  # noqa: F401
from tests.integration.builders import ADMIN, A, B, act, address, place
from tests.integration.bulk_helpers import carried
from tests.integration.test_webhooks import Consumer

PAGE = ROOT / "docs" / "events.md"
WRITING = bool(os.environ.get("WRITE_EXAMPLES"))
MEANT = {
    "order.placed": "an order was placed; drafts that came to nothing are not told",
    "order.address_changed": "staff changed the shipping address",
    "order.customer_verified": "the user service has confirmed a customer whom it could not be asked about before",
    "order.stock_resolved": "somebody said what became of stock whose outcome was not known",
    "order.paid": "the order was paid",
    "order.processing": "work on the order has begun",
    "order.shipped": "the order was shipped",
    "order.delivered": "the order was delivered",
    "order.cancelled": "the order was cancelled, by its customer, staff, or since it was not paid in time",
    "order.refunded": "the order was refunded",
    "order.personal_data_erased": "names, addresses and texts were erased from the order and from its events",
    "order.held": "staff hold the order back; customers are not told",
    "order.hold_lifted": "the order can go on; customers are not told",
    "order.partly_shipped": "a parcel left, and there is more to ship; the last one is told as `order.shipped`",
    "order.tracking_changed": "somebody said where a parcel is, or corrected it",
    "order.partly_cancelled": "lines were cancelled, and there are others; the last one is told as `order.cancelled`",
    "order.partly_refunded": "money was given back, and some is left; the last of it is told as `order.refunded`",
    "order.return_opened": "the customer sends something back",
    "order.return_received": "it has arrived",
    "order.stock_unknown": "inventory did not answer, and nobody knows whether it reserved or released a line",
    "bulk_run.finished": "a run over many orders is over; the events of its orders came before",
}
SHOWN = ("id", "number", "status", "version")
"""Of the order of each example."""


def block(language: str) -> str:
    """The one program in this language."""
    [found] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE.read_text())
    return str(found)


def section(name: str) -> str:
    [found] = re.findall(rf"(?s)<!-- {name} -->\n(.*?)<!-- end of {name} -->", PAGE.read_text())
    return str(found)


def keep(name: str, text: str) -> None:
    """Write a section of the page, or compare with it."""
    if WRITING:
        begun, ended = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = PAGE.read_text().partition(begun)
        PAGE.write_text(f"{before}{begun}{text}{ended}{rest.partition(ended)[2]}")
    assert section(name) == text


def settled(value: Any, *order_ids: ObjectId) -> Any:
    """An example with what differs from run to run replaced, and its order cut short."""
    text = orjson.dumps(value, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z).decode()
    for order_id in order_ids:
        text = text.replace(str(order_id), ORDER_ID)
    for pattern, put in (
        (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", MOMENT),
        (r"\b[0-9a-f]{64}\b", DIGEST),
        (r"\b[0-9a-f]{32}\b", REQUEST_ID),
        (r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", NUMBER),
        (r'"run_id":"[0-9a-f]{24}"', f'"run_id":"{RUN_ID}"'),
        (r'"id":"[0-9a-f]{24}-finished"', f'"id":"{RUN_ID}-finished"'),
    ):
        text = re.sub(pattern, put, text)
    shown: dict[str, Any] = json.loads(text)
    event = shown if "cursor" in shown else shown["data"]
    if event["order"]:
        event["order"] = {name: event["order"][name] for name in SHOWN}
    return shown


@pytest.fixture
def told(sandbox: Sandbox) -> dict[str, Document]:
    """The first event of each type, of orders to which everything happens."""
    order = place().order
    order_id = order["_id"]
    change_address(
        order_id=order_id, address=address(line1="2 Short Street"), act=act(), expected_version=order["version"]
    )
    orders().update_one({"_id": order_id}, {"$set": {"user_verified": False}})
    verify_user(order_id=order_id, act=act(reason="Called them"))
    for transition in ("pay", "start_processing", "ship", "deliver", "refund"):
        change_status(order_id=order_id, transition=transition, act=act())
    cancelled = place().order["_id"]
    sandbox.control.fault("release", "drop_before", times=1)
    change_status(order_id=cancelled, transition="cancel", act=act(reason="Ordered twice"))
    resolve_line(order_id=cancelled, line=0, happened=True, act=act(reason="Counted the shelf"))
    erased = place().order["_id"]
    change_status(order_id=erased, transition="cancel", act=act())
    erase_order(order_id=erased, act=act(reason="At the customer's request"))
    _done_to_parts(place((A, 3), (B, 2)).order["_id"])
    carried("pay", keys=[place().order["_id"]])
    while tell():
        pass
    return {event["type"]: event for event in reversed(event_feed.events_after(0, limit=100))}


def _done_to_parts(order_id: ObjectId) -> None:
    """Everything that can be done to parts of an order."""
    why = replace(act(reason="Two cards were refused"), code="fraud")
    change_status(order_id=order_id, transition="pay", act=act())
    hold(order_id=order_id, act=why)
    lift(order_id=order_id, act=act(reason="They called back"))
    change_status(order_id=order_id, transition="start_processing", act=act())
    ship(order_id=order_id, lines=[LineRequest(0, 1)], tracking=Tracking("UPS"), act=act())
    change_tracking(order_id=order_id, shipment=0, tracking=Tracking("UPS", "1Z9"), act=act())
    out_of_stock = replace(act(), code="out_of_stock")
    cancel_lines(order_id=order_id, lines=[LineRequest(1, 1)], act=out_of_stock)
    refund(order_id=order_id, amount=Decimal("1.00"), reference="re_3Q8zK2", act=out_of_stock)
    open_return(order_id=order_id, lines=None, act=act(reason="The wrong size"))
    receive_return(order_id=order_id, number=0, restock=True, act=act())


def test_there_is_an_example_of_each_type(told: dict[str, Document]) -> None:
    assert set(told) == set(MEANT) == set(EVENT_TYPES)
    parts = []
    for kind, meaning in MEANT.items():
        event = told[kind]
        shown = settled(public_event(event), *([event["order_id"]] if "order_id" in event else []))
        parts.append(f"`{kind}`: {meaning}.\n\n```json\n{json.dumps(shown, indent=2)}\n```\n\n")
    keep("types", "\n" + "".join(parts))


def test_there_is_an_example_of_a_cloud_event(told: dict[str, Document]) -> None:
    event = told["order.paid"]
    shown = settled(json.loads(publishing.cloud_event(event)), event["order_id"])
    keep("cloud event", f"\n```json\n{json.dumps(shown, indent=2)}\n```\n\n")


def test_every_type_that_is_told_of_is_documented(told: dict[str, Document]) -> None:
    assert set(re.findall(r"(?m)^`([a-z_.]+)`: ", section("types"))) == set(EVENT_TYPES)


# --- signatures ------------------------------------------------------------------------------------------------------

Delivered = tuple[str, dict[str, str], list[str]]


@pytest.fixture
def delivered(sandbox: Sandbox, settings: Settings) -> Delivered:
    """A body and headers as they came to an endpoint amid a rotation, and the two secrets by which they are signed."""
    settings.WEBHOOKS_INSECURE = True
    consumer = Consumer()
    try:
        made = webhooks.create_endpoint(url=consumer.url, actor=ADMIN, at=timezone.now())
        new = webhooks.rotate_secret(made.endpoint.pk, actor=ADMIN).secret
        place()
        tell()
        assert delivering.deliver(made.endpoint.pk) == 1
    finally:
        consumer.stop()
    [(headers, body)] = consumer.received
    return body, headers, [made.secret, new]


def by_python(body: str, headers: dict[str, str], secret: str) -> Any:
    rooms: dict[str, Any] = {}
    exec(block("python"), rooms)  # noqa: S102 - it is our own page
    return rooms["verified"](body, headers, secret)


def by_node(body: str, headers: dict[str, str], secret: str) -> Any:
    node = shutil.which("node")
    assert node, "node is missing"
    program = f"{block('js')}\nconsole.log(JSON.stringify(verified(...JSON.parse(process.argv[1]))));"
    command = [node, "--input-type=module", "-e", program, "--", json.dumps([body, headers, secret])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("verify", [by_python, by_node])
def test_a_delivery_is_verified_by_the_pages_programs(delivered: Delivered, verify: Callable[..., Any]) -> None:
    body, headers, secrets = delivered
    for secret in secrets:
        assert verify(body, headers, secret) == json.loads(body)
    refused = [
        (body.replace("order.placed", "order.paid"), headers, secrets[0]),
        (body, headers | {"webhook-id": "another"}, secrets[0]),
        (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)}, secrets[0]),
        (body, headers | {"webhook-timestamp": "now"}, secrets[0]),
        (body, headers | {"webhook-signature": "v1,AAAA v2"}, secrets[0]),
        (body, {name: value for name, value in headers.items() if name != "webhook-signature"}, secrets[0]),
        (body, headers, "whsec_" + "A" * 43 + "="),
    ]
    for case in refused:
        assert verify(*case) is None


# --- digests ---------------------------------------------------------------------------------------------------------


def test_the_chain_is_checked_by_the_pages_program(told: dict[str, Document], api: Api) -> None:
    rooms: dict[str, Any] = {}
    exec(block("py"), rooms)  # noqa: S102 - it is our own page
    follows, is_untouched = rooms["follows"], rooms["is_untouched"]
    events = api(admin=True).get("events?limit=500").json()
    previous = START
    for event in events:
        assert follows(event, previous)
        assert is_untouched(event)
        assert not is_untouched(event | {"actor": "admin:nobody"})
        assert not is_untouched(event | {"data": event["data"] | {"to": "lost"}})
        assert not follows(event | {"type": "order.lost"}, previous)
        previous = event["digest"]
    assert not follows(events[2], events[0]["digest"]), "one is missing"
    assert not is_untouched(events[0] | {"order": events[0]["order"] | {"total_price": "0.01"}})


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    assert f"`EVENTS_RETENTION_DAYS` ({settings.EVENTS_RETENTION_DAYS})" in page
    assert f"`EVENTS_AMQP_EXCHANGE` (`{settings.EVENTS_AMQP_EXCHANGE}`)" in page
    assert (delivering.FIRST_DELAY, delivering.LONGEST_DELAY, delivering.GIVE_UP_AFTER.days) == (5, 3600, 3)
    assert delivering.TEST_TIMEOUT == 5
    lines = len((ROOT / "examples" / "follow_events.py").read_text().splitlines())
    assert abs(lines - 150) <= 15
