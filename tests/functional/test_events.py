"""GET /events: what it understands, whom it tells what, and how a follower gets from page to page."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from bson import ObjectId
from django.utils import timezone

from orders.models import EVENT_TYPES
from orders.services import access
from orders.services.audit import Act
from orders.services.events.telling import tell
from orders.services.lifecycle.editing import write_note
from tests.factories import OrderFactory
from tests.functional.helpers import NOBODYS_ID, Api, Documents, placed_in, problem, visitor_fixture  # noqa: F401
from tests.functional.test_openapi import document_fixture, schema_of  # noqa: F401

LARGEST = 2**53 - 1


def tell_all() -> None:
    while tell():
        pass


@pytest.fixture
def two_orders(api: Api) -> tuple[str, str]:
    """Customer 1 has an order that was paid and refunded, with a note; customer 2 has a new one."""
    mine = placed_in(api, "refunded")["id"]
    write_note(order_id=ObjectId(mine), text="A note", act=Act(access.admin("staff"), timezone.now()))
    theirs = api("2").place(("665f1c0a9b1e8a0012a40001", 1, "14.90")).json()["id"]
    tell_all()
    return mine, theirs


def followed(api: Api, query: str = "", **caller: Any) -> Iterator[list[dict[str, Any]]]:
    """The pages to which `Link` leads, up to the last one."""
    client, address = api(**caller), f"events?{query}"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        assert int(answer.headers["Next-Cursor"]) >= (answer.json() or [{"cursor": 0}])[-1]["cursor"]
        address = answer.links.get("next", {}).get("url", "")


# --- what is understood ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("after=-1", "after", "greater than or equal to 0"),
        (f"after={LARGEST + 1}", "after", "less than or equal to"),
        ("after=x", "after", "valid integer"),
        ("after=1_0", "after", "valid integer"),
        ("limit=0", "limit", "greater than or equal to 1"),
        ("limit=501", "limit", "less than or equal to 500"),
        ("types=order.lost", "types", "There is no type 'order.lost'. Known: order.placed"),
        ("types=order.paid,", "types", "There is no type ''"),
        ("types=order.paid, order.placed", "types", "There is no type ' order.placed'"),
        ("order_id=1", "order_id", "ObjectId"),
        ("wait=20", "wait", "There is no such parameter here. Known: after, limit, types, order_id."),
        ("cursor=1", "cursor", "There is no such parameter here."),
        ("after=1&after=2", "after", "more than once"),
    ],
)
def test_what_is_not_understood_is_refused(visitor: Api, query: str, field: str, said: str) -> None:
    refused = problem(visitor(admin=True).get(f"events?{query}"), 400, "invalid")
    assert said in refused["errors"][field][0]


def test_an_empty_feed_has_an_empty_page(visitor: Api) -> None:
    for query in ("", "after=", "after=0", f"types={EVENT_TYPES[0]}&order_id={NOBODYS_ID}&limit=500"):
        answer = visitor(admin=True).get(f"events?{query}")
        assert (answer.json(), answer.headers["Next-Cursor"], answer.links) == ([], "0", {})


def test_a_cursor_ahead_of_the_feed_is_refused(two_orders: tuple[str, str], api: Api) -> None:
    refused = problem(api(admin=True).get(f"events?after={LARGEST}"), 409, "cursor_unknown")
    assert refused["newest"] == len(api(admin=True).get("events").json())
    assert problem(api().get(f"events?after={LARGEST}"), 409, "cursor_unknown")["newest"] == refused["newest"]


def test_a_cursor_whose_followers_are_deleted_is_refused(
    two_orders: tuple[str, str], api: Api, database: Documents
) -> None:
    database["events"].delete_many({"_id": {"$lte": 2}})
    for client in (api(admin=True), api("2")):
        refused = problem(client.get("events?after=1"), 410, "cursor_expired")
        assert refused["oldest"] == 3
        assert "begins with 3" in refused["detail"]
        assert client.get("events?after=2").status_code == client.get("events").status_code == 200


# --- who is told what ------------------------------------------------------------------------------------------------


def test_admins_are_told_everything(two_orders: tuple[str, str], api: Api) -> None:
    mine, theirs = two_orders
    events = api(admin=True).get("events").json()
    assert [(event["cursor"], event["type"], event["order_id"], event["sequence"]) for event in events] == [
        (1, "order.placed", mine, 1),
        (2, "order.paid", mine, 2),
        (3, "order.refunded", mine, 3),
        (4, "order.placed", theirs, 1),
    ]
    assert [event["actor"] for event in events] == ["customer:1", "admin:staff", "admin:staff", "customer:2"]
    assert all(len(event["digest"]) == len(event["content_digest"]) == 64 for event in events)
    assert events[1]["data"]["request_id"]
    assert events[0]["order"] == api().get(f"orders/{mine}").json() | {"version": events[0]["version"]}


def test_customers_are_told_of_their_own_orders_what_they_may_know(two_orders: tuple[str, str], api: Api) -> None:
    mine, theirs = two_orders
    events = api().get("events").json()
    assert [event["type"] for event in events] == ["order.placed", "order.paid", "order.refunded"]
    assert {event["order_id"] for event in events} == {mine}
    assert [event["actor"] for event in events] == ["customer:1", "admin", "admin"]
    assert [event["data"] for event in events[1:]] == [
        {"act": "pay", "from": "pending", "to": "paid", "via": "api"},
        {"act": "refund", "from": "paid", "to": "refunded", "via": "api"},
    ]
    assert all("digest" not in event and "content_digest" not in event for event in events)
    assert api().get(f"events?order_id={theirs}").json() == api().get(f"events?order_id={NOBODYS_ID}").json() == []
    assert api("3").get("events").json() == []
    assert api("2").get("events?types=order.placed").json()[0]["order_id"] == theirs


def test_the_reason_that_somebody_gave_is_told_to_admins_and_to_them(api: Api) -> None:
    orders = [api().place(("665f1c0a9b1e8a0012a40001", 1, "14.90")).json()["id"] for _ in range(2)]
    for order_id, client in zip(orders, (api(), api(admin=True)), strict=True):
        client.put(f"orders/{order_id}/status", json={"status": "cancelled", "reason": "Too slow"})
    tell_all()

    def reasons(client: Any) -> list[str | None]:
        return [event["data"].get("reason") for event in client.get("events?types=order.cancelled").json()]

    assert reasons(api()) == ["Too slow", None]
    assert reasons(api(admin=True)) == ["Too slow", "Too slow"]


def test_types_that_customers_are_not_told_of_are_known_and_empty(two_orders: tuple[str, str], api: Api) -> None:
    for kind in ("order.stock_unknown", "order.customer_verified", "bulk_run.finished"):
        assert api().get(f"events?types={kind}").json() == []


# --- from page to page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 500])
def test_links_lead_to_the_end(two_orders: tuple[str, str], api: Api, limit: int) -> None:
    pages = list(followed(api, f"limit={limit}", admin=True))
    assert [event["cursor"] for page in pages for event in page] == [1, 2, 3, 4]
    assert all(len(page) == limit for page in pages[:-1])
    kinds = list(followed(api, f"types=order.placed,order.refunded&limit={limit}", admin=True))
    assert [event["cursor"] for page in kinds for event in page] == [1, 3, 4]
    own = [event["type"] for page in followed(api, f"limit={limit}", user_id="1") for event in page]
    assert own == ["order.placed", "order.paid", "order.refunded"]


def test_a_follower_whose_events_are_rare_goes_on_where_all_were_looked_at(
    two_orders: tuple[str, str], api: Api, database: Documents
) -> None:
    for client, query in ((api(admin=True), "types=order.delivered"), (api("3"), "limit=5")):
        answer = client.get(f"events?{query}")
        assert (answer.json(), answer.headers["Next-Cursor"]) == ([], "4")
    database["events"].delete_many({"_id": {"$lte": 3}})
    assert api("3").get("events?after=4").status_code == 200


def test_events_are_as_documented(api: Api, document: dict[str, Any]) -> None:
    placed_in(api, "delivered")
    OrderFactory()
    tell_all()
    for client in (api(admin=True), api()):
        events = client.get("events").json()
        assert events
        for event in events:
            jsonschema.validate(event, schema_of(document, "Event"))
    known = set(document["components"]["schemas"]["Event"]["properties"])
    assert set(api(admin=True).get("events").json()[0]) == known
    assert set(api().get("events").json()[0]) == known - {"digest", "content_digest"}


def test_reading_events_counts_as_no_write_and_may_be_kept_by_nobody_else(
    two_orders: tuple[str, str], api: Api
) -> None:
    answer = api().get("events")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert not [name for name in answer.headers if name.startswith("RateLimit")]
    assert api().get("events/").json() == answer.json()
    assert api().head("events").headers["Next-Cursor"] == answer.headers["Next-Cursor"]
