"""The feed of events in the backoffice: its filters and pages, one event as others get it, and what it costs."""

import html
import json
import re
from typing import Any

import pytest
from bson import ObjectId
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.models import Document
from orders.services import access, bulk
from orders.services.audit import Act
from orders.services.events import browsing
from orders.services.events.telling import tell
from orders.storage import event_feed
from orders.storage.order_query import OrderKeys, OrderQuery
from tests.functional.admin_helpers import LIST, client_of, find, page, placed, profiled, text_of
from tests.functional.bulk_admin import worker_pass

FEED = f"{LIST}events/"


@pytest.fixture
def support(sandbox: Sandbox) -> Client:
    return client_of("Support")


def cursors(client: Client, **given: Any) -> list[int]:
    """The events that the page shows, in its order."""
    response = client.get(FEED, given)
    assert response.status_code == 200
    return [int(cursor) for cursor in re.findall(rf'<a href="{FEED}(\d+)/"', response.content.decode())]


def events(count: int, **fields: Any) -> list[Document]:
    """Events that only the feed knows of."""
    first, now = event_feed.newest_cursor() + 1, timezone.now()
    made = [
        {
            "_id": cursor, "id": f"{cursor}-1", "type": "order.paid", "sequence": cursor, "entries": cursor,
            "order_id": ObjectId(), "user_id": "1", "number": "1", "version": 1, "at": now, "actor": "customer:1",
            "data": {}, "order": "{}", "content_digest": "", "digest": "", "told_at": now,
        } | fields
        for cursor in range(first, first + count)
    ]  # fmt: skip
    event_feed.feed().insert_many(made)
    return made


def test_what_happened_is_told_newest_first_with_the_way_to_its_order(support: Client) -> None:
    assert "No events yet" in text_of(support.get(FEED))
    order, other = placed("pay"), placed()
    tell()
    assert cursors(support) == [3, 2, 1]
    told = text_of(support.get(FEED))
    assert f"1 order.placed {order['number']} Amara Okafor just now customer 1" in told
    assert f"2 order.paid {order['number']} Amara Okafor just now admin tests" in told
    assert f"3 order.placed {other['number']}" in told
    assert f'href="{page(order)}"' in support.get(FEED).content.decode()


def test_filters_narrow_it_down_and_together(support: Client) -> None:
    order = placed("pay", "start_processing")
    other = placed("pay")
    tell()
    number = order["number"]
    assert cursors(support, type="order.paid") == [5, 2]
    for typed in (number, number.lower(), number.replace("-", ""), str(order["_id"]), f" #{number}"):
        assert cursors(support, order=typed) == [3, 2, 1], typed
    assert cursors(support, order=number, type="order.paid") == [2]
    assert cursors(support, **{"from": "4"}) == [4, 3, 2, 1]
    assert cursors(support, type="order.placed", **{"from": "3"}) == [1]
    assert cursors(support, order=other["number"], **{"from": "4"}) == [4]
    for nothing in ({"type": "bulk_run.finished"}, {"order": "1234-1234-1234"}, {"order": "f" * 24}, {"from": "0"}):
        assert cursors(support, **nothing) == []
        assert "No events match these filters." in text_of(support.get(FEED, nothing))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"type": "order.made_up"}, "There is no such type."),
        ({"from": "x"}, "A cursor is a whole number."),
        ({"from": "9" * 19}, "A cursor is a whole number."),
        ({"order": "nothing like it"}, "Enter an order number or an order id."),
    ],
)
def test_a_filter_that_cannot_be_is_said_and_nothing_shown(
    support: Client, given: dict[str, str], problem: str
) -> None:
    placed()
    tell()
    response = support.get(FEED, given)
    assert problem in text_of(response)
    assert 'aria-invalid="true"' in response.content.decode()
    assert cursors(support, **given) == []


def test_pages_go_back_without_a_gap_and_keep_the_filters(support: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing.newest_first, "__kwdefaults__", {**browsing.newest_first.__kwdefaults__, "limit": 3})
    events(4)
    events(2, type="order.shipped")
    events(4)
    seen, query = [], "?type=order.paid"
    while query:
        response = support.get(f"{FEED}{query}")
        seen += [int(cursor) for cursor in re.findall(rf'<a href="{FEED}(\d+)/"', response.content.decode())]
        query = response.context["older"]
        assert not query or "type=order.paid" in query
    assert seen == [10, 9, 8, 7, 4, 3, 2, 1]
    assert "Newest" in text_of(response)


def test_one_event_is_shown_as_others_get_it(support: Client) -> None:
    order = placed("pay")
    tell()
    response = support.get(f"{FEED}2/")
    told = text_of(response)
    assert f"Order {order['number']} , event 2, version 2" in told
    shown = json.loads(html.unescape(re.search(r"(?s)<pre[^>]*>(.*?)</pre>", response.content.decode())[1]))
    assert (shown["cursor"], shown["type"], shown["order"]["status"]) == (2, "order.paid", "paid")
    assert shown["order"]["id"] == str(order["_id"])
    for nothing in ("3", "0", "x", "-1", "9" * 18, "9" * 30):
        assert support.get(f"{FEED}{nothing}/").status_code == 404, nothing


def test_a_finished_run_leads_to_its_page(support: Client) -> None:
    order = placed()
    act = Act(access.admin("boss"), timezone.now(), "Bank day")
    run = bulk.start_run(selection=OrderQuery(keys=OrderKeys([order["_id"]])), transition="pay", act=act)
    worker_pass()
    while tell():
        pass
    assert cursors(support, type="bulk_run.finished") == [3]
    for address in (FEED, f"{FEED}3/"):
        assert f'href="/admin/orders/bulkrun/{run.pk}/change/"' in support.get(address).content.decode()


def test_html_in_an_event_is_text(support: Client) -> None:
    evil = "<script>alert(1)</script>"
    events(1, data={"reason": evil}, actor=f"staff:{evil}", order=json.dumps({"note": evil}), number=evil)
    for address in (FEED, f"{FEED}1/"):
        assert evil not in support.get(address).content.decode()
        assert evil in text_of(support.get(address)), address


def test_it_is_for_those_who_see_orders(database: Database[Document]) -> None:
    events(1)
    nobody = client_of("nobody")
    for address in (FEED, f"{FEED}1/", f"{FEED}?order=nonsense"):
        assert nobody.get(address).status_code == 403


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({}, "{ _id: 1 }"),
        ({"from": "100"}, "{ _id: 1 }"),
        ({"type": "order.shipped"}, "{ type: 1, _id: 1 }"),
        ({"order": "known"}, "{ order_id: 1, _id: 1 }"),
        ({"order": "known", "type": "order.paid", "from": "200"}, "{ order_id: 1, _id: 1 }"),
    ],
)
def test_a_page_of_a_long_feed_reads_no_more_than_it_shows(
    support: Client, database: Database[Document], given: dict[str, str], index: str
) -> None:
    events(300)
    events(100, type="order.shipped")
    known = find(database, placed())
    events(70, order_id=known["_id"])
    if "order" in given:
        given = given | {"order": str(known["_id"])}
    with profiled(database) as done:
        support.get(FEED, given)
    [read] = [operation for operation in done if operation["ns"].endswith(".events")]
    assert read["planSummary"] == f"IXSCAN {index}"
    assert read["docsExamined"] <= browsing.PAGE + 1
    assert not read.get("hasSortStage")
