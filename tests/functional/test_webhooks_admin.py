"""Webhooks in the backoffice: the list, one endpoint, what its buttons do, and who may see and press them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from orders.models import EVENT_TYPES, Document, WebhookEndpoint
from orders.services import access
from orders.services.events import webhooks
from orders.services.events.delivering import deliver
from orders.storage import event_feed
from tests.functional.admin_helpers import Browser, client_of, said, staff, text_of
from tests.raw_server import RawServer, answer

WEBHOOKS = "/admin/orders/webhookendpoint/"
EVIL = "https://shop.example/?q=<script>alert(1)</script>"
ADMIN = access.admin("boss")


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


@pytest.fixture
def receiver(settings: Settings) -> Iterator[RawServer]:
    settings.WEBHOOKS_INSECURE = True
    with RawServer(answer(200, {})) as server:
        yield server


def made(url: str = "https://shop.example/hook", **given: Any) -> WebhookEndpoint:
    return webhooks.create_endpoint(url=url, actor=ADMIN, at=timezone.now(), **given).endpoint


def told(number: int, *, since: datetime | None = None) -> None:
    """Events of a shop long gone, a minute after each other."""
    since = since or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    first = event_feed.newest_cursor() + 1
    event_feed.feed().insert_many(
        {
            "_id": cursor, "id": f"{ObjectId()}-1", "type": "order.paid", "sequence": 1, "entries": 1,
            "order_id": ObjectId(), "user_id": "1", "number": "1", "version": 1, "at": since, "actor": "customer:1",
            "data": {}, "order": "{}", "content_digest": "", "digest": "",
            "told_at": since + timedelta(minutes=cursor - first),
        }
        for cursor in range(first, first + number)
    )  # fmt: skip


def page_of(endpoint: WebhookEndpoint) -> str:
    return f"{WEBHOOKS}{endpoint.pk}/change/"


def act(client: Client, endpoint: WebhookEndpoint, name: str | None, **form: str) -> HttpResponse:
    response = client.post(f"{WEBHOOKS}{endpoint.pk}/act/", ({"act": name} if name else {}) | form)
    if response.status_code == 302:
        assert response["Location"].partition("?")[0] == page_of(endpoint)
    return response


def now(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return webhooks.get_endpoint(endpoint.pk, ADMIN)


def put(endpoint: WebhookEndpoint, **fields: Any) -> None:
    """Bring an endpoint into a state that a test needs."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**fields)


# --- the list ---


def test_the_list_tells_how_each_webhook_does(manager: Client, receiver: RawServer) -> None:
    assert "No webhooks yet" in text_of(manager.get(WEBHOOKS))
    good = made(f"{receiver.url}/a", description="Storefront", types=["order.paid", "order.shipped"])
    failing, stopped, off = (made(f"https://shop.example/{name}") for name in "bcd")
    told(3)
    deliver(good.pk)
    told(2)
    put(failing, failing_since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), failures=7)
    put(stopped, active=False, stopped_because="It answered 410 Gone.")
    put(off, active=False)
    rows = re.findall(r"(?s)<tr>(.*?)</tr>", manager.get(WEBHOOKS).content.decode())
    words = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows[1:]]
    assert words[0] == f"Storefront {receiver.url}/a order.paid, order.shipped On 2 events just now , 200"
    assert words[1] == "https://shop.example/b All Failing since 2026-01-02 03:04:05 UTC 5 events None yet"
    assert words[2] == "https://shop.example/c All Stopped 5 events None yet"
    assert words[3] == "https://shop.example/d All Off 5 events None yet"


def test_the_sidebar_leads_there_whoever_may_manage_them(database: Database[Document]) -> None:
    for role, leads in (("Manager", True), ("superuser", True), ("Support", False)):
        page = client_of(role).get("/admin/orders/order/").content.decode()
        assert (f'href="{WEBHOOKS}"' in page) == leads, role
        assert 'href="/admin/orders/order/events/"' in page, role


def test_the_permission_to_view_endpoints_is_not_the_one_to_manage_them(database: Database[Document]) -> None:
    endpoint, client = made(), client_of("nobody")
    user = User.objects.get(username="nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_webhookendpoint", "view_order"]))
    for address in (WEBHOOKS, page_of(endpoint), f"{WEBHOOKS}add/", f"{WEBHOOKS}{endpoint.pk}/delete/"):
        assert client.get(address).status_code == 403, address
    for name in ("off", "rotate", "test", "nonsense"):
        assert act(client, endpoint, name).status_code == 403, name
    assert client.post(f"{WEBHOOKS}{endpoint.pk}/delete/").status_code == 403
    assert now(endpoint).active
    assert now(endpoint).secrets == endpoint.secrets


# --- adding and the secret ---


def test_a_webhook_is_added_and_its_secret_shown_once(manager: Client) -> None:
    told(4)
    form = {"url": " https://shop.example/hook ", "types": ["order.paid", "order.placed"], "description": "Shop"}
    response = manager.post(f"{WEBHOOKS}add/", form)
    endpoint = WebhookEndpoint.objects.get()
    assert (response.status_code, response["Location"]) == (302, page_of(endpoint))
    assert (endpoint.url, endpoint.types) == ("https://shop.example/hook", ["order.paid", "order.placed"])
    assert (endpoint.description, endpoint.cursor, endpoint.created_by) == ("Shop", 4, "staff:Manager")
    assert endpoint.secrets[0] not in manager.get(WEBHOOKS).content.decode(), "only on its own page"
    manager.head(page_of(endpoint))
    first = manager.get(page_of(endpoint))
    assert f'<code id="webhook-secret">{endpoint.secrets[0]}</code>' in first.content.decode()
    assert "no-store" in first["Cache-Control"]
    assert "whsec_" not in manager.get(page_of(endpoint)).content.decode()


def test_a_secret_is_shown_to_nobody_else(manager: Client) -> None:
    endpoint, other = made(), made("https://shop.example/other")
    act(manager, endpoint, "rotate")
    assert "whsec_" not in client_of("superuser").get(page_of(endpoint)).content.decode()
    assert "whsec_" not in manager.get(page_of(other)).content.decode()
    assert now(endpoint).secrets[0] in manager.get(page_of(endpoint)).content.decode()


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"url": "http://shop.example/"}, "A URL that begins with https:// is expected."),
        ({"url": ""}, "A URL that begins with https:// is expected."),
        ({"url": "https://10.0.0.1/hook"}, "10.0.0.1 is not a public address."),
        ({"url": "https://shop.example/", "types": "order.made_up"}, "There is no type order.made_up."),
        ({"url": "https://shop.example/", "description": "x" * 201}, "One line of at most 200 characters is allowed."),
    ],
)
def test_what_is_refused_is_shown_again_with_its_problem(manager: Client, form: dict[str, str], problem: str) -> None:
    response = manager.post(f"{WEBHOOKS}add/", {"types": ["order.paid"], "description": "Shop"} | form)
    assert response.status_code == 400
    assert problem in text_of(response)
    assert f'value="{form["url"]}"' in response.content.decode()
    assert not WebhookEndpoint.objects.exists()
    assert "whsec_" not in response.content.decode()

    endpoint = made()
    response = manager.post(page_of(endpoint), {"types": ["order.paid"], "description": "Shop"} | form)
    assert response.status_code == 400
    assert problem in text_of(response)
    assert (now(endpoint).url, now(endpoint).types) == ("https://shop.example/hook", [])


def test_there_are_at_most_so_many(manager: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_ENDPOINTS", 1)
    made()
    response = manager.post(f"{WEBHOOKS}add/", {"url": "https://shop.example/second"})
    assert (response.status_code, WebhookEndpoint.objects.count()) == (409, 1)
    assert "There are 1 webhook endpoints, which is the limit." in " ".join(said(response))


def test_html_in_what_people_type_is_text(manager: Client) -> None:
    endpoint = made(EVIL, description='"><b>bold</b>')
    put(endpoint, stopped_because="<i>gone</i>", active=False)
    for address in (WEBHOOKS, page_of(endpoint), f"{WEBHOOKS}{endpoint.pk}/delete/"):
        content = manager.get(address).content.decode()
        for tag in ("<script>alert", "<b>bold", "<i>gone"):
            assert tag not in content, address
    assert f'href="{EVIL}' not in manager.get(page_of(endpoint)).content.decode()


# --- one endpoint ---


def test_an_endpoint_is_edited(manager: Client) -> None:
    endpoint = made(types=["order.paid"], description="Old")
    page = manager.get(page_of(endpoint)).content.decode()
    assert re.findall(r'name="types" value="([\w.]+)" checked', page) == ["order.paid"]
    assert len(re.findall(r'name="types"', page)) == len(EVENT_TYPES)
    response = manager.post(page_of(endpoint), {"url": "https://new.example/", "description": ""})
    assert (response.status_code, said(response)) == (302, ["Changes saved."])
    changed = now(endpoint)
    assert (changed.url, changed.types, changed.description) == ("https://new.example/", [], "")
    assert changed.secrets == endpoint.secrets


def test_it_is_switched_off_and_on(manager: Client) -> None:
    endpoint = made()
    act(manager, endpoint, "off")
    assert not now(endpoint).active
    page = text_of(manager.get(page_of(endpoint)))
    assert "Switch on" in page
    assert "Switch off" not in page
    act(manager, endpoint, "on")
    assert now(endpoint).active


def test_one_to_whose_address_nothing_may_be_sent_any_more_can_be_switched_off_but_not_on(
    manager: Client, settings: Settings
) -> None:
    settings.WEBHOOKS_INSECURE = True
    endpoint = made("http://127.0.0.1:9/")
    settings.WEBHOOKS_INSECURE = False
    act(manager, endpoint, "off")
    assert not now(endpoint).active
    response = act(manager, endpoint, "on")
    assert said(response)[-1] == "Nothing was changed. A URL that begins with https:// is expected."
    assert not now(endpoint).active


@pytest.mark.parametrize(("name", "state"), [("on", "on"), ("off", "off")])
def test_one_that_was_stopped_is_switched_on_or_kept_off(manager: Client, name: str, state: str) -> None:
    endpoint = made()
    put(endpoint, active=False, stopped_because="It answered 410 Gone.", failing_since=timezone.now(), failures=9)
    assert "Stopped It answered 410 Gone." in text_of(manager.get(page_of(endpoint)))
    act(manager, endpoint, name)
    changed = now(endpoint)
    assert (changed.state, changed.failing_since, changed.failures) == (state, None, 0)
    assert "410" not in text_of(manager.get(page_of(endpoint)))


def test_the_secret_is_rotated_and_the_rotation_ended(manager: Client) -> None:
    endpoint = made()
    assert "End rotation" not in text_of(manager.get(page_of(endpoint)))
    act(manager, endpoint, "rotate")
    new, *old = now(endpoint).secrets
    assert old == endpoint.secrets
    page = manager.get(page_of(endpoint))
    assert new in page.content.decode()
    assert "End rotation" in text_of(page)
    act(manager, endpoint, "end_rotation")
    assert now(endpoint).secrets == [new]


def test_a_test_event_says_what_came_of_it(manager: Client, receiver: RawServer) -> None:
    endpoint = made(f"{receiver.url}/hook")
    response = act(manager, endpoint, "test")
    assert re.fullmatch(r"Test event delivered: the endpoint answered 200 in \d+ ms\.", said(response)[0])
    [request] = receiver.requests
    assert b"webhook.test" in request
    assert webhooks.deliveries(endpoint.pk, ADMIN) == []


def test_a_test_event_that_fails_says_why(manager: Client, settings: Settings) -> None:
    settings.WEBHOOKS_INSECURE = True
    with RawServer(answer(500, {})) as server:
        endpoint = made(f"{server.url}/hook")
        told_of = said(act(manager, endpoint, "test"))[0]
    assert re.fullmatch(r"Test event not delivered\. The endpoint answered 500 \(\d+ ms\)\.", told_of)
    assert "Test event not delivered. No answer: " in said(act(manager, endpoint, "test"))[-1]
    assert now(endpoint).state == "on"


def test_the_last_deliveries_are_shown_newest_first(manager: Client, settings: Settings) -> None:
    settings.WEBHOOKS_INSECURE = True
    assert "Nothing has been delivered yet." in text_of(manager.get(page_of(made())))
    with RawServer(answer(204, {})) as server:
        endpoint = made(f"{server.url}/hook")
        told(2)
        deliver(endpoint.pk)
    told(1)
    deliver(endpoint.pk)
    response = manager.get(page_of(endpoint))
    section = response.content.decode().split('id="webhook-deliveries"')[1]
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"(?s)<tr>(.*?)</tr>", section)][1:]
    assert re.fullmatch(r"3 order\.paid just now No answer \d+ ms .*refused.*", rows[0]), rows[0]
    assert re.fullmatch(r"2 order\.paid just now 204 \d+ ms", rows[1])
    assert re.fullmatch(r"1 order\.paid just now 204 \d+ ms", rows[2])
    assert 'href="/admin/orders/order/events/3/"' in section
    assert "Failing since" in text_of(response)
    assert "Next attempt" in text_of(response)
    assert "Behind 1 event (at 2 of 3)" in text_of(response)


def test_events_are_delivered_again_after_a_cursor(manager: Client) -> None:
    told(5)
    endpoint = made()
    response = act(manager, endpoint, "replay", after=" 2 ")
    assert said(response) == ["Deliveries go on after event 2."]
    assert now(endpoint).cursor == 2
    response = act(manager, endpoint, "replay", after="4")
    assert said(response)[-1] == "Deliveries go on after event 4. 2 events will not be delivered."
    for wrong in ("6", "-1", "x", "", "9" * 18, "9" * 30):
        response = act(manager, endpoint, "replay", after=wrong)
        assert said(response)[-1].startswith("Nothing was changed."), wrong
    assert now(endpoint).cursor == 4


def test_events_are_delivered_again_since_a_time(manager: Client) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    told(30, since=start)
    endpoint = made()

    def since(moment: datetime) -> int:
        response = act(manager, endpoint, "replay_since", since=f"{moment:%Y-%m-%dT%H:%M:%S}")
        assert said(response)[-1].startswith("Deliveries go on after event")
        return now(endpoint).cursor

    minute = timedelta(minutes=1)
    assert since(start + 12 * minute) == 12, "the thirteenth was told just then"
    assert since(start + 12.5 * minute) == 13
    assert since(start - minute) == 0, "nothing has been deleted"
    assert since(start + 50 * minute) == 30
    event_feed.feed().delete_many({"_id": {"$lte": 10}})
    assert since(start + 10 * minute) == 10
    for wrong, problem in (
        (f"{start:%Y-%m-%dT%H:%M}", "The events that are kept were told since"),
        (f"{datetime.now(UTC) + minute:%Y-%m-%dT%H:%M:%S}", "This moment is still to come."),
        ("yesterday", "Enter a date and a time,"),
        ("2026-01-01T00:00:00+02:00", "Enter a date and a time,"),
        ("", "Enter a date and a time,"),
    ):
        response = act(manager, endpoint, "replay_since", since=wrong)
        assert problem in said(response)[-1], wrong
    assert now(endpoint).cursor == 10


def test_without_events_there_is_nothing_to_deliver_again(manager: Client) -> None:
    endpoint = made()
    act(manager, endpoint, "replay_since", since="2026-01-01T00:00")
    assert now(endpoint).cursor == 0


def test_it_is_deleted_after_a_question(manager: Client) -> None:
    endpoint = made(description="Shop")
    assert "Delete this webhook? Shop" in text_of(manager.get(f"{WEBHOOKS}{endpoint.pk}/delete/"))
    assert WebhookEndpoint.objects.exists()
    response = manager.post(f"{WEBHOOKS}{endpoint.pk}/delete/")
    assert (response["Location"], said(response)) == (WEBHOOKS, ["Webhook Shop deleted."])
    assert not WebhookEndpoint.objects.exists()


def test_one_that_is_gone_or_never_was_is_not_found(manager: Client) -> None:
    for given in (ObjectId(), "x", "1' or 1"):
        assert manager.get(f"{WEBHOOKS}{given}/change/").status_code == 404
        assert manager.post(f"{WEBHOOKS}{given}/act/", {"act": "off"}).status_code == 404
        assert manager.post(f"{WEBHOOKS}{given}/delete/").status_code == 404


def test_an_unknown_act_changes_nothing(manager: Client) -> None:
    endpoint = made()
    for name in (None, "", "explode"):
        assert said(act(manager, endpoint, name))[-1] == "Nothing was changed. Unknown action."
    assert manager.get(f"{WEBHOOKS}{endpoint.pk}/act/").status_code == 405
    assert now(endpoint).cursor == endpoint.cursor


def test_every_form_needs_its_token(database: Database[Document], live_server_url: str) -> None:
    endpoint = made()
    staff("Manager")
    browser = Browser(live_server_url)
    browser.log_in("Manager")
    for address in (f"{WEBHOOKS}add/", page_of(endpoint), f"{WEBHOOKS}{endpoint.pk}/delete/"):
        assert browser.post(address, data={"url": "https://evil.example/"}).status_code == 403, address
        assert browser.csrf_token(browser.get(address))
    assert browser.post(f"{WEBHOOKS}{endpoint.pk}/act/", data={"act": "rotate"}).status_code == 403
    assert [found.url for found in WebhookEndpoint.objects.all()] == [endpoint.url]
    assert now(endpoint).secrets == endpoint.secrets
