"""Webhooks: what is told arrives, signed, in order and at least once, at an endpoint that fails in every way."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError, connections
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from integrations.sandbox import Sandbox
from orders.models import Document, WebhookEndpoint
from orders.services import access
from orders.services.access import Actor, NotPermitted
from orders.services.events import delivering, webhooks
from orders.services.events.delivering import Deliverer, deliver
from orders.services.events.telling import tell
from orders.services.lifecycle.idempotency_keys import KeyReused
from orders.storage import event_feed, webhook_endpoints
from tests.integration.builders import ADMIN, place

Received = tuple[dict[str, str], str]


class Consumer:
    """A server that takes webhooks. `statuses` are answered one after the other, then 204."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.act: Callable[[], None] = lambda: None
        consumer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                consumer.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                consumer.act()
                self.send_response(consumer.statuses.pop(0) if consumer.statuses else 204)
                for name, value in consumer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def cursors(self) -> list[int]:
        return [json.loads(body)["cursor"] for _, body in self.received]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.received]


@pytest.fixture
def consumer(settings: Settings) -> Iterator[Consumer]:
    settings.WEBHOOKS_INSECURE = True
    consumer = Consumer()
    yield consumer
    consumer.stop()


@pytest.fixture
def endpoint(sandbox: Sandbox, consumer: Consumer) -> WebhookEndpoint:
    return webhooks.create_endpoint(url=consumer.url, actor=ADMIN, at=timezone.now()).endpoint


def happen(count: int) -> None:
    for _ in range(count):
        place()
    while tell():
        pass


def stored(endpoint: WebhookEndpoint) -> Document:
    found = webhook_endpoints.endpoints().find_one({"_id": endpoint.pk})
    assert found is not None
    return found


def due_again(endpoint: WebhookEndpoint) -> None:
    webhook_endpoints.endpoints().update_one({"_id": endpoint.pk}, {"$set": {"due_at": None}})


def is_due(endpoint: WebhookEndpoint) -> bool:
    last = event_feed.last_event()
    return endpoint.pk in webhook_endpoints.due_endpoints(before=last["_id"] if last else 0)


def test_events_arrive_in_order_and_verify(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    happen(3)
    assert is_due(endpoint)
    assert deliver(endpoint.pk) == 3
    assert consumer.cursors == [1, 2, 3]
    for headers, body in consumer.received:
        told = Webhook(endpoint.secrets[0]).verify(body, headers)
        assert (told["id"], told["type"]) == (headers["webhook-id"], "order.placed")
        assert told["order"]["id"] == told["order_id"]
    assert not is_due(endpoint)
    assert deliver(endpoint.pk) == 0
    assert [entry["status"] for entry in webhook_endpoints.deliveries(endpoint.pk)] == [204] * 3


def test_what_was_told_before_there_was_an_endpoint_is_not_sent(sandbox: Sandbox, consumer: Consumer) -> None:
    happen(2)
    endpoint = webhooks.create_endpoint(url=consumer.url, actor=ADMIN, at=timezone.now()).endpoint
    happen(1)
    assert deliver(endpoint.pk) == 1
    assert consumer.cursors == [3]


def test_only_the_types_that_were_asked_for_are_sent(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    webhooks.change_endpoint(endpoint.pk, types=["order.cancelled"], actor=ADMIN)
    happen(3)
    assert deliver(endpoint.pk) == 0
    assert (consumer.received, stored(endpoint)["cursor"]) == ([], 3)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 429, 500, 503])
def test_an_event_that_was_not_taken_is_sent_again_with_the_same_id_before_any_other(
    endpoint: WebhookEndpoint, consumer: Consumer, status: int
) -> None:
    consumer.statuses, consumer.headers = [status, status], {"Location": consumer.url}
    happen(2)
    for failures in (1, 2):
        assert deliver(endpoint.pk) == 0
        now = stored(endpoint)
        assert (now["failures"], now["cursor"], now["failing_since"] is None) == (failures, 0, False)
        assert not is_due(endpoint)
        due_again(endpoint)
    assert deliver(endpoint.pk) == 2
    assert consumer.cursors == [1, 1, 1, 2]
    assert len(set(consumer.ids)) == 2
    assert (stored(endpoint)["failures"], stored(endpoint)["failing_since"]) == (0, None)


def test_an_endpoint_that_is_not_there_is_called_again_later(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    happen(1)
    consumer.stop()
    assert deliver(endpoint.pk) == 0
    [attempted] = webhook_endpoints.deliveries(endpoint.pk)
    assert attempted["status"] is None
    assert "refused" in attempted["error"]
    assert stored(endpoint)["failures"] == 1


def test_an_endpoint_may_say_when_it_wants_to_be_called_again(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    consumer.statuses, consumer.headers = [503], {"Retry-After": "600"}
    happen(1)
    deliver(endpoint.pk)
    wait = stored(endpoint)["due_at"] - timezone.now().replace(tzinfo=None)
    assert timedelta(seconds=590) < wait <= timedelta(seconds=600)


def test_the_delays_grow_up_to_an_hour() -> None:
    delays = [delivering._delay(failures, None) for failures in (1, 2, 5, 100)]
    assert 4 <= delays[0] <= 6
    assert 8 <= delays[1] <= 12
    assert 64 <= delays[2] <= 96
    assert 2880 <= delays[3] <= 3600


def test_after_three_days_of_failures_it_is_off(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    consumer.statuses = [500]
    happen(1)
    long_ago = timezone.now() - timedelta(days=3, minutes=1)
    webhook_endpoints.endpoints().update_one({"_id": endpoint.pk}, {"$set": {"failing_since": long_ago, "failures": 9}})
    assert deliver(endpoint.pk) == 0
    now = stored(endpoint)
    assert (now["active"], now["cursor"]) == (False, 0)
    assert now["stopped_because"] == "Nothing could be delivered to it for 3 days; at last: it answered 500."
    assert deliver(endpoint.pk) == 0
    assert len(consumer.received) == 1
    webhooks.change_endpoint(endpoint.pk, active=True, actor=ADMIN)
    assert deliver(endpoint.pk) == 1
    assert stored(endpoint)["stopped_because"] == ""


def test_who_is_gone_is_off_at_once(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    consumer.statuses = [410]
    happen(1)
    deliver(endpoint.pk)
    assert (stored(endpoint)["active"], stored(endpoint)["stopped_because"]) == (False, "It answered 410 Gone.")


def test_events_that_were_deleted_before_they_were_delivered_switch_it_off(
    endpoint: WebhookEndpoint, consumer: Consumer
) -> None:
    happen(3)
    event_feed.feed().delete_many({"_id": {"$lte": 2}})
    assert deliver(endpoint.pk) == 0
    assert stored(endpoint)["stopped_because"] == "Events after 0 were deleted before they could be delivered."
    assert consumer.received == []


def test_two_processes_do_not_deliver_to_one_endpoint_at_once(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    happen(2)
    others: list[int] = []
    consumer.act = lambda: others.append(in_a_thread(lambda: deliver(endpoint.pk)))
    assert deliver(endpoint.pk) == 2
    assert (others, consumer.cursors) == ([0, 0], [1, 2])


def in_a_thread(work: Callable[[], int]) -> int:
    found: list[int] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_who_dies_after_a_delivery_leaves_it_to_be_repeated_under_the_same_id(
    endpoint: WebhookEndpoint, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    def die(*_args: Any) -> None:
        raise Death

    happen(1)
    with monkeypatch.context() as patch:
        patch.setattr(webhook_endpoints, "delivered", die)
        with pytest.raises(Death):
            deliver(endpoint.pk)
    assert deliver(endpoint.pk) == 1
    assert consumer.cursors == [1, 1]
    assert len(set(consumer.ids)) == 1


def test_who_loses_the_lease_stops_and_moves_no_cursor(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    happen(3)
    others = {"lease": {"id": "another", "until": timezone.now() + timedelta(minutes=1)}}
    consumer.act = lambda: webhook_endpoints.endpoints().update_one({"_id": endpoint.pk}, {"$set": others}) and None
    assert deliver(endpoint.pk) == 0
    assert (consumer.cursors, stored(endpoint)["cursor"], stored(endpoint)["lease"]["id"]) == ([1], 0, "another")


def test_replaying_is_setting_the_cursor_back(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    happen(3)
    deliver(endpoint.pk)
    webhooks.replay(endpoint.pk, after=1, actor=ADMIN)
    assert deliver(endpoint.pk) == 2
    assert consumer.cursors == [1, 2, 3, 2, 3]
    for beyond in (-1, 4):
        with pytest.raises(webhooks.InvalidWebhook, match="follow 0 to 3"):
            webhooks.replay(endpoint.pk, after=beyond, actor=ADMIN)


def test_a_replay_during_a_delivery_is_obeyed(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    happen(3)

    def once() -> None:
        if len(consumer.received) == 2:
            webhooks.replay(endpoint.pk, after=0, actor=ADMIN)

    consumer.act = once
    deliver(endpoint.pk)
    deliver(endpoint.pk)
    assert consumer.cursors == [1, 2, 1, 2, 3]


def test_a_replay_between_two_calls_of_a_delivery_is_obeyed(
    endpoint: WebhookEndpoint, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(3)
    delivered = webhook_endpoints.delivered

    def and_set_back(*args: Any) -> bool:
        recorded = delivered(*args)
        if len(consumer.received) == 2:
            webhooks.replay(endpoint.pk, after=0, actor=ADMIN)
        return recorded

    monkeypatch.setattr(webhook_endpoints, "delivered", and_set_back)
    deliver(endpoint.pk)
    assert consumer.cursors == [1, 2, 1, 2, 3]


def test_types_that_are_changed_during_a_delivery_count_from_the_next_event_on(
    endpoint: WebhookEndpoint, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(3)
    delivered = webhook_endpoints.delivered

    def and_change(*args: Any) -> bool:
        recorded = delivered(*args)
        if len(consumer.received) == 1:
            webhooks.change_endpoint(endpoint.pk, types=["order.cancelled"], actor=ADMIN)
        return recorded

    monkeypatch.setattr(webhook_endpoints, "delivered", and_change)
    deliver(endpoint.pk)
    assert (consumer.cursors, stored(endpoint)["cursor"]) == ([1], 3)


def test_events_that_are_deleted_while_they_are_read_are_no_silent_gap(
    endpoint: WebhookEndpoint, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(5)
    events_after = event_feed.events_after

    def purged_amid(*asked: Any, **options: Any) -> list[Document]:
        found = events_after(*asked, **options)
        event_feed.feed().delete_many({"_id": {"$lte": 4}})
        return [event for event in found if event["_id"] not in (3, 4)]

    monkeypatch.setattr(event_feed, "events_after", purged_amid)
    assert deliver(endpoint.pk) == 2
    assert (consumer.cursors, stored(endpoint)["cursor"]) == ([1, 2], 2)
    deliver(endpoint.pk)
    assert consumer.cursors == [1, 2]
    assert stored(endpoint)["stopped_because"] == "Events after 2 were deleted before they could be delivered."


def test_who_found_it_due_before_another_failed_does_not_call_it_at_once(
    endpoint: WebhookEndpoint, consumer: Consumer
) -> None:
    consumer.statuses, consumer.headers = [503], {"Retry-After": "600"}
    happen(1)
    assert is_due(endpoint)  # so two processes find
    assert [deliver(endpoint.pk), deliver(endpoint.pk)] == [0, 0]
    assert (consumer.cursors, stored(endpoint)["failures"]) == ([1], 1)


def test_at_another_address_it_is_called_at_once(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    consumer.statuses = [500]
    happen(1)
    deliver(endpoint.pk)
    webhooks.change_endpoint(endpoint.pk, url=consumer.url, description="The same address", actor=ADMIN)
    assert (is_due(endpoint), stored(endpoint)["failures"]) == (False, 1)
    changed = webhooks.change_endpoint(endpoint.pk, url=f"{consumer.url}/new", actor=ADMIN)
    assert (changed.failures, changed.failing_since, is_due(endpoint)) == (0, None, True)
    assert deliver(endpoint.pk) == 1


def test_of_two_rotations_at_once_neither_loses_its_secret(
    endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_endpoint, others = webhooks.get_endpoint, []

    def and_another(*args: Any) -> WebhookEndpoint:
        found = get_endpoint(*args)
        monkeypatch.setattr(webhooks, "get_endpoint", get_endpoint)
        others.append(webhooks.rotate_secret(endpoint.pk, actor=ADMIN).secret)
        return found

    monkeypatch.setattr(webhooks, "get_endpoint", and_another)
    mine = webhooks.rotate_secret(endpoint.pk, actor=ADMIN).secret
    assert stored(endpoint)["secrets"] == [mine, *others, *endpoint.secrets]
    monkeypatch.setattr(webhooks, "get_endpoint", and_another)
    assert webhooks.end_rotation(endpoint.pk, actor=ADMIN).secrets == others[-1:]


def test_during_a_rotation_both_secrets_verify(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    old = endpoint.secrets[0]
    new = webhooks.rotate_secret(endpoint.pk, actor=ADMIN).secret
    happen(1)
    deliver(endpoint.pk)
    webhooks.end_rotation(endpoint.pk, actor=ADMIN)
    happen(1)
    deliver(endpoint.pk)
    (first_headers, first), (second_headers, second) = consumer.received
    for secret in (old, new):
        Webhook(secret).verify(first, first_headers)
    Webhook(new).verify(second, second_headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(second, second_headers)


def test_a_rotation_that_is_begun_again_keeps_the_secrets_that_may_be_in_use(endpoint: WebhookEndpoint) -> None:
    secrets = endpoint.secrets[:]
    for _ in range(webhooks.MOST_SECRETS):
        secrets.insert(0, webhooks.rotate_secret(endpoint.pk, actor=ADMIN).secret)
    assert stored(endpoint)["secrets"] == secrets[: webhooks.MOST_SECRETS]
    assert webhooks.end_rotation(endpoint.pk, actor=ADMIN).secrets == secrets[:1]


def test_an_address_that_is_none_is_refused_also_of_a_change(endpoint: WebhookEndpoint) -> None:
    for url in ("", "https://", "ftp://erp.example.com"):
        with pytest.raises(webhooks.InvalidWebhook):
            webhooks.change_endpoint(endpoint.pk, url=url, actor=ADMIN)
    assert stored(endpoint)["url"] == endpoint.url


def test_an_address_that_is_no_longer_allowed_is_switched_off_and_not_on(
    endpoint: WebhookEndpoint, settings: Settings
) -> None:
    settings.WEBHOOKS_INSECURE = False
    assert not webhooks.change_endpoint(endpoint.pk, active=False, actor=ADMIN).active
    with pytest.raises(webhooks.InvalidWebhook):
        webhooks.change_endpoint(endpoint.pk, active=True, actor=ADMIN)
    assert not stored(endpoint)["active"]


def test_a_description_is_kept_as_people_read_it(endpoint: WebhookEndpoint) -> None:
    told = webhooks.change_endpoint(endpoint.pk, description=" The\u00a0books \u3042 ", actor=ADMIN).description
    assert told == "The\u00a0books \u3042"
    for refused in ("a\x00b", "x" * 201):
        with pytest.raises(webhooks.InvalidWebhook) as why:
            webhooks.change_endpoint(endpoint.pk, description=refused, actor=ADMIN)
        assert set(why.value.members["errors"]) == {"description"}


def test_a_type_that_is_named_twice_is_kept_once(endpoint: WebhookEndpoint) -> None:
    twice = ["order.paid", "order.cancelled", "order.paid"]
    assert webhooks.change_endpoint(endpoint.pk, types=twice, actor=ADMIN).types == ["order.cancelled", "order.paid"]


@pytest.mark.parametrize("active", [True, False])
def test_a_test_event_is_sent_and_not_recorded(endpoint: WebhookEndpoint, consumer: Consumer, active: bool) -> None:
    webhooks.change_endpoint(endpoint.pk, active=active, actor=ADMIN)
    result = webhooks.send_test(endpoint.pk, actor=ADMIN)
    assert (result.status, result.succeeded) == (204, True)
    [(headers, body)] = consumer.received
    assert Webhook(endpoint.secrets[0]).verify(body, headers)["type"] == "webhook.test"
    assert webhook_endpoints.deliveries(endpoint.pk) == []


@pytest.mark.parametrize("slow", ["the endpoint", "the resolver"])
def test_whoever_sends_a_test_event_waits_for_nobody_for_long(
    endpoint: WebhookEndpoint, consumer: Consumer, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    monkeypatch.setattr(delivering, "TEST_TIMEOUT", 0.2)
    going_on, resolve = threading.Event(), socket.getaddrinfo

    def resolved(*asked: Any, **options: Any) -> Any:
        going_on.wait(20)
        return resolve(*asked, **options)

    if slow == "the endpoint":
        consumer.act = lambda: going_on.wait(20) and None
    else:
        monkeypatch.setattr(socket, "getaddrinfo", resolved)
    try:
        result = webhooks.send_test(endpoint.pk, actor=ADMIN)
    finally:
        going_on.set()
        for thread in [each for each in threading.enumerate() if each.name == "webhook-test"]:
            thread.join()
    assert (result.status, result.succeeded) == (None, False)
    assert result.error


def test_a_slow_endpoint_holds_up_no_other(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    slow, going_on = Consumer(), threading.Event()
    slow.act = lambda: going_on.wait(60) and None
    try:
        webhooks.create_endpoint(url=slow.url, actor=ADMIN, at=timezone.now())
        happen(2)
        deliverer = Deliverer(lambda: False)
        deliverer.start_due()
        wait_until(lambda: consumer.cursors == [1, 2])
        assert slow.cursors == [1]
        happen(1)
        wait_until(lambda: not is_due(endpoint) or deliverer.start_due() is not None)
        assert consumer.cursors == [1, 2, 3]
        going_on.set()
        deliverer.join()
    finally:
        going_on.set()
        slow.stop()


def wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(1200):
        if happened():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not happen within a minute")


# --- managing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "http://shop.example/hook"}, "url"),
        ({"url": "ftp://shop.example/hook"}, "url"),
        ({"url": "https://user:secret@shop.example/"}, "url"),
        ({"url": "https://shop.example/#part"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://[::1]/"}, "url"),
        ({"url": "https://10.1.2.3/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url"),
        ({"url": "https://[64:ff9b::a00:1]/"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://shop.example/" + "a" * 2000}, "url"),
        ({"url": "https://shop.example/\u00fc"}, "url"),
        ({"types": ["order.eaten"]}, "types"),
        ({"description": "a" * 201}, "description"),
        ({"description": "a\x00b"}, "description"),
    ],
)
def test_what_an_endpoint_cannot_be_is_refused(sandbox: Sandbox, given: dict[str, Any], field: str) -> None:
    with pytest.raises(webhooks.InvalidWebhook) as refused:
        webhooks.create_endpoint(**({"url": "https://shop.example/hook"} | given), actor=ADMIN, at=timezone.now())
    assert list(refused.value.members["errors"]) == [field]
    assert WebhookEndpoint.objects.count() == 0


def test_a_name_that_leads_to_a_private_address_is_not_called(
    sandbox: Sandbox, consumer: Consumer, settings: Settings
) -> None:
    endpoint = webhooks.create_endpoint(url="https://localhost/hook", actor=ADMIN, at=timezone.now()).endpoint
    settings.WEBHOOKS_INSECURE = False
    happen(1)
    assert deliver(endpoint.pk) == 0
    [attempted] = webhook_endpoints.deliveries(endpoint.pk)
    assert "which is not public" in attempted["error"]
    assert consumer.received == []


def added(key: str | None = "k", actor: Actor = ADMIN, *, later: float = 0.0) -> webhooks.NewSecret:
    at = timezone.now() + timedelta(seconds=later)
    return webhooks.create_endpoint(url="https://shop.example/hook", actor=actor, at=at, key=key)


def test_a_key_is_its_callers_and_is_remembered_for_a_day(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = added()
    monkeypatch.setattr(webhooks, "MOST_ENDPOINTS", 1)
    again = added(later=settings.IDEMPOTENCY_KEY_TTL - 60)
    assert (again.endpoint, again.secret, again.replayed) == (first.endpoint, first.secret, True)
    for refused in (lambda: added(actor=access.admin("other")), lambda: added("l"), lambda: added(None)):
        with pytest.raises(webhooks.TooManyWebhooks):
            refused()
    with pytest.raises(KeyReused):
        added(later=settings.IDEMPOTENCY_KEY_TTL + 60)
    rotated = webhooks.rotate_secret(first.endpoint.pk, actor=ADMIN).secret
    assert added().secret == rotated


def test_of_the_same_request_twice_at_once_one_adds_an_endpoint(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest_cursor, others = event_feed.newest_cursor, []

    def meanwhile() -> int:
        monkeypatch.setattr(event_feed, "newest_cursor", newest_cursor)
        others.append(added())
        return newest_cursor()

    monkeypatch.setattr(event_feed, "newest_cursor", meanwhile)
    mine = added()
    assert (mine.replayed, others[0].replayed) == (True, False)
    assert (mine.endpoint, mine.secret) == (others[0].endpoint, others[0].secret)
    assert WebhookEndpoint.objects.count() == 1


def test_a_name_that_there_is_not_is_told_in_words(sandbox: Sandbox) -> None:
    endpoint = webhooks.create_endpoint(url="https://nobody.invalid/hook", actor=ADMIN, at=timezone.now()).endpoint
    happen(1)
    assert deliver(endpoint.pk) == 0
    [attempted] = webhook_endpoints.deliveries(endpoint.pk)
    assert attempted["error"].startswith("The name nobody.invalid could not be resolved: ")
    assert "Errno" not in attempted["error"]


def test_there_is_a_limit_of_endpoints(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_ENDPOINTS", 1)
    webhooks.create_endpoint(url="https://shop.example/", actor=ADMIN, at=timezone.now())
    with pytest.raises(webhooks.TooManyWebhooks):
        webhooks.create_endpoint(url="https://shop.example/", actor=ADMIN, at=timezone.now())


def test_an_endpoint_is_changed_and_deleted(endpoint: WebhookEndpoint) -> None:
    changed = webhooks.change_endpoint(
        endpoint.pk,
        url="https://shop.example/new",
        description=" New ",
        types=["order.paid"],
        active=False,
        actor=ADMIN,
    )
    assert (changed.url, changed.description, changed.types) == ("https://shop.example/new", "New", ["order.paid"])
    assert not changed.active
    assert webhooks.list_endpoints(ADMIN) == [changed]
    webhooks.delete_endpoint(endpoint.pk, actor=ADMIN)
    with pytest.raises(webhooks.WebhookNotFound):
        webhooks.get_endpoint(endpoint.pk, ADMIN)


def test_endpoints_are_for_those_who_may_manage_them(endpoint: WebhookEndpoint) -> None:
    customer = access.customer("1")
    for forbidden in (
        lambda: webhooks.list_endpoints(customer),
        lambda: webhooks.create_endpoint(url="https://shop.example/", actor=customer, at=timezone.now()),
        lambda: webhooks.change_endpoint(endpoint.pk, active=False, actor=customer),
        lambda: webhooks.delete_endpoint(endpoint.pk, actor=customer),
        lambda: webhooks.rotate_secret(endpoint.pk, actor=customer),
        lambda: webhooks.replay(endpoint.pk, after=0, actor=customer),
        lambda: webhooks.end_rotation(endpoint.pk, actor=customer),
        lambda: webhooks.send_test(endpoint.pk, actor=customer),
        lambda: webhooks.deliveries(endpoint.pk, customer),
    ):
        with pytest.raises(NotPermitted):
            forbidden()
    assert stored(endpoint)["active"]


def test_where_the_database_failed_amid_a_delivery_the_same_worker_goes_on_at_once(
    endpoint: WebhookEndpoint, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise DatabaseError("the primary is gone")

    happen(2)
    deliverer = Deliverer(lambda: False)
    with monkeypatch.context() as patch:
        patch.setattr(webhook_endpoints, "delivered", fail)
        patch.setattr(webhook_endpoints, "give_back", fail)
        for _ in range(2):
            deliverer.start_due()
            deliverer.join()
    assert (consumer.cursors, "lease" in stored(endpoint)) == ([1], True)
    assert deliver(endpoint.pk) == 0  # another worker has to wait
    deliverer.start_due()
    deliverer.join()
    assert (consumer.cursors, "lease" in stored(endpoint)) == ([1, 1, 2], False)


def test_an_endpoint_that_is_not_there_is_told_so(sandbox: Sandbox) -> None:
    with pytest.raises(webhooks.WebhookNotFound):
        webhooks.get_endpoint(ObjectId(), ADMIN)
    assert deliver(ObjectId()) == 0


def test_who_is_to_stop_stops_between_two_events(endpoint: WebhookEndpoint, consumer: Consumer) -> None:
    happen(3)
    assert deliver(endpoint.pk, stopping=lambda: bool(consumer.received)) == 1
    assert (consumer.cursors, stored(endpoint)["cursor"]) == ([1], 1)


def test_whoever_lost_the_lease_while_nothing_was_to_be_sent_moves_no_cursor(
    endpoint: WebhookEndpoint, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.change_endpoint(endpoint.pk, types=["order.cancelled"], actor=ADMIN)
    happen(2)
    events_after = event_feed.events_after

    def and_lose(*asked: Any, **options: Any) -> list[Document]:
        others = {"lease": {"id": "another", "until": timezone.now() + timedelta(minutes=1)}}
        webhook_endpoints.endpoints().update_one({"_id": endpoint.pk}, {"$set": others})
        return events_after(*asked, **options)

    monkeypatch.setattr(event_feed, "events_after", and_lose)
    assert deliver(endpoint.pk) == 0
    assert (consumer.received, stored(endpoint)["cursor"], stored(endpoint)["lease"]["id"]) == ([], 0, "another")


@pytest.mark.parametrize(
    ("error", "level", "said"),
    [
        (DatabaseError("the primary is gone"), "WARNING", "the database does not answer: the primary is gone"),
        (RuntimeError("a fault of ours"), "ERROR", "events could not be delivered"),
    ],
)
def test_a_thread_that_fails_says_so_and_the_endpoint_is_due_again(
    endpoint: WebhookEndpoint,
    consumer: Consumer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    level: str,
    said: str,
) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise error

    happen(1)
    deliverer = Deliverer(lambda: False)
    with monkeypatch.context() as patch:
        patch.setattr(delivering, "_page", fail)
        deliverer.start_due()
        deliverer.join()
    assert [(record.levelname, said in record.message) for record in caplog.records] == [(level, True)]
    assert is_due(endpoint)
    deliverer.start_due()
    deliverer.join()
    assert consumer.cursors == [1]
