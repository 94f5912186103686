"""What keeps others from hearing what happens is on the attention page and the dashboard until it is mended."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from orders.models import Document, WebhookEndpoint
from orders.services import access
from orders.services.access import NotPermitted
from orders.services.events.telling import tell
from orders.services.reporting.event_troubles import event_troubles
from tests.functional.admin_helpers import LIST, client_of, insert, stored, text_of

PAGE = f"{LIST}attention/"
HOUR = timedelta(hours=1)


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def endpoint(**fields: Any) -> WebhookEndpoint:
    known = {"url": "https://shop.example/hook", "created_at": timezone.now(), "created_by": "staff:maria"}
    return WebhookEndpoint.objects.create(**known | fields)


def shown(client: Client) -> list[str]:
    """The headings of what is wrong, on the attention page."""
    response = client.get(PAGE)
    assert response.status_code == 200
    headings = re.findall(r"(?s)<h3[^>]*>(.*?)</h3>", response.content.decode())
    return [" ".join(re.sub(r"<[^>]+>", "", heading).split()).replace("\xa0", " ") for heading in headings]


def on_dashboard(client: Client) -> dict[str, str]:
    return {found["name"]: found["count"] for found in client.get("/admin/").context["waiting"]}


def test_a_webhook_that_was_stopped_is_shown_until_it_is_mended(manager: Client) -> None:
    stopped = endpoint(active=False, stopped_because="It answered <b>410</b> Gone.", description="Shop & more")
    assert shown(manager) == ["Webhook stopped: Shop &amp; more"]
    assert on_dashboard(manager) == {"webhooks": "1"}
    response = manager.get(PAGE)
    assert "It answered <b>410</b> Gone." in text_of(response)
    assert "<b>410" not in response.content.decode()
    way_on = f"/admin/orders/webhookendpoint/{stopped.pk}/"
    assert f'href="{way_on}change/"' in response.content.decode()
    manager.post(f"{way_on}act/", {"act": "on"})
    assert shown(manager) == []
    assert "All caught up" in text_of(manager.get(PAGE))
    assert on_dashboard(manager) == {}


def test_a_webhook_that_fails_is_shown_after_an_hour(manager: Client) -> None:
    failing = endpoint(failing_since=timezone.now() - HOUR + timedelta(minutes=1), failures=5)
    endpoint(active=False)
    endpoint(active=False, failing_since=timezone.now() - 9 * HOUR)
    assert shown(manager) == [], "nor is one that somebody switched off"
    WebhookEndpoint.objects.filter(pk=failing.pk).update(failing_since=timezone.now() - HOUR - timedelta(minutes=1))
    assert shown(manager) == ["Webhook failing: https://shop.example/hook"]
    WebhookEndpoint.objects.filter(pk=failing.pk).update(failing_since=None)
    assert shown(manager) == []


def test_of_webhooks_only_those_hear_who_manage_them(database: Database[Document]) -> None:
    endpoint(active=False, stopped_because="It answered 410 Gone.")
    insert(database, stored(1, untold_at=datetime.now(UTC) - timedelta(minutes=3)))
    support = client_of("Support")
    assert shown(support) == ["New events have been waiting for 3 minutes"]
    assert on_dashboard(support) == {"events": "1"}
    with pytest.raises(NotPermitted):
        event_troubles(actor=access.customer("1"), at=timezone.now())


def test_a_feed_that_lags_is_shown_until_it_has_told(manager: Client, database: Database[Document]) -> None:
    insert(database, stored(1, told=0, untold_at=datetime.now(UTC) - timedelta(seconds=50)))
    assert shown(manager) == []
    database["orders"].update_one({}, {"$set": {"untold_at": datetime.now(UTC) - timedelta(seconds=125)}})
    assert shown(manager) == ["New events have been waiting for 2 minutes"]
    tell()
    assert shown(manager) == []


def test_a_broker_that_lags_is_shown_while_there_is_one(
    manager: Client, database: Database[Document], settings: Settings
) -> None:
    moments = [datetime.now(UTC) - timedelta(minutes=minutes) for minutes in (50, 10, 4)]
    database["events"].insert_many([{"_id": number, "told_at": at} for number, at in enumerate(moments, 1)])
    database["event_cursors"].insert_one({"_id": "amqp", "cursor": 1})
    assert shown(manager) == []
    settings.EVENTS_AMQP_URL = "amqp://nowhere.example"
    assert shown(manager) == ["The message broker is behind by 10 minutes"]
    database["event_cursors"].update_one({}, {"$set": {"cursor": 2}})
    assert shown(manager) == []
    database["event_cursors"].update_one({}, {"$set": {"cursor": 3}})
    assert shown(manager) == []
    database["event_cursors"].delete_many({})
    assert shown(manager) == [], "nothing was ever published"
