"""One vocabulary: a state has one word and one colour, wherever the backoffice shows it."""

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from orders.admin import badges
from orders.models import BulkState, EndpointState, LineState, OrderOutcome, Status, WebhookEndpoint
from orders.services import access, bulk
from orders.services.audit import Act
from orders.services.order_queries import Alert
from orders.services.public_order import LINE_STATES
from orders.services.service_tokens import TokenState
from orders.storage.order_query import OrderQuery
from tests.functional.admin_helpers import LIST, Document, client_of, insert, insert_each_status, line, page, stored

BADGE = re.compile(r'<span class="badge tone-(\w+)">([^<]*)</span>')
ROOT = Path(badges.__file__).parents[2]
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


def shown(client: Client, address: str) -> list[tuple[str, str]]:
    """The words of a page's badges and their tones."""
    response = client.get(address)
    assert response.status_code == 200, address
    return [(words, tone) for tone, words in BADGE.findall(response.content.decode())]


def test_a_status_has_one_word_and_one_colour_on_every_page(database: Database[Document]) -> None:
    orders = insert_each_status(database)
    manager = client_of("Manager")
    on_the_list = dict(shown(manager, LIST))
    on_the_dashboard = dict(shown(manager, "/admin/"))
    for status, order in orders.items():
        word = str(Status(status).label)
        assert shown(manager, page(order))[0] == (word, on_the_list[word])
        assert on_the_dashboard.get(word, on_the_list[word]) == on_the_list[word]
    assert on_the_dashboard.keys() >= {"Pending", "Cancelled"}


@pytest.mark.slow
def test_a_word_has_one_colour_on_every_page(database: Database[Document]) -> None:
    tones: dict[str, set[str]] = defaultdict(set)
    addresses = busy(database)
    manager = client_of("Manager")
    for address in addresses:
        for words, tone in shown(manager, address):
            tones[re.sub(r" in parcel \d| \(return \d\)", "", words)].add(tone)
    assert {words: found for words, found in tones.items() if len(found) > 1} == {}
    assert tones.keys() >= {
        "Cancelled", "Shipped", "Coming back", "Release not confirmed", "Unconfirmed stock", "On hold", "Skipped",
        "Off", "Done", "To ship",
    }  # fmt: skip


def busy(database: Database[Document]) -> list[str]:
    """Orders of every kind, a run and a webhook. :returns: the pages that show badges."""
    at = timezone.now()
    back = line("used") | {"shipment": 0, "returned_in": 0}
    orders = [
        stored(20, status="cancelled", items=[line("unknown", call="release")]),
        stored(21, status="paid", status_since=LONG_AGO, created_at=LONG_AGO, held_at=at,
               hold={"code": "fraud", "reason": "", "actor": "staff:Finance"}),
        stored(22, status="shipped", items=[back, line("used") | {"shipment": 0}, line("released")],
               shipments=[{"at": at}], returns=[{"at": at, "code": "customer"}]),
        stored(23, status="paid", user_verified=False, items=[line("released", discrepancy=1), line("releasing")]),
    ]  # fmt: skip
    insert(database, *orders)
    orders += insert_each_status(database).values()
    act = Act(access.admin("tests"), at)
    run = bulk.start_run(selection=OrderQuery(statuses=("pending", "paid")), transition="ship", act=act)
    endpoint = WebhookEndpoint.objects.create(url="https://a.example/", active=False, created_at=at, created_by="tests")
    bulk.execute_run(run.pk)
    runs, webhooks = "/admin/orders/bulkrun/", "/admin/orders/webhookendpoint/"
    return [
        "/admin/", LIST, f"{LIST}attention/", runs, f"{runs}{run.pk}/change/?show=all", webhooks,
        f"{webhooks}{endpoint.pk}/change/", *map(page, orders),
    ]  # fmt: skip


def test_states_of_one_name_have_one_colour_and_each_part_of_an_order_has_a_word() -> None:
    assert badges.PARTS.keys() == set(LINE_STATES)
    known: set[Any] = {
        *Status,
        *LineState,
        *Alert,
        *BulkState,
        *OrderOutcome,
        *EndpointState,
        *TokenState,
        *LINE_STATES,
    }
    assert {str(state) for state in badges.TONES} <= {str(state) for state in known}
    assert badges.TONES.get("cancelled") is None, "Cancelled is over, and nobody's fault"


def test_no_page_has_badges_of_its_own() -> None:
    own = [
        str(file.relative_to(ROOT))
        for folder in (ROOT / "templates", ROOT / "orders")
        for file in folder.rglob("*")
        if file.suffix in {".html", ".css", ".py"} and re.search(r"(order|bulk|event|figures)-badge", file.read_text())
    ]
    assert own == []
