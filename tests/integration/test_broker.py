"""Publishing the feed to a real RabbitMQ, which is killed and comes back."""

import io
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from kombu.connection import Connection
from kombu.entity import Exchange
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.services.events import publishing
from orders.services.events.publishing import BrokerUnavailable, EventsDeleted, Publisher
from orders.services.events.telling import tell
from orders.storage import event_cursors, event_feed
from tests.integration.builders import place
from tests.rabbitmq import RabbitMQ

pytestmark = pytest.mark.slow
QUEUE = "everything"


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as rabbit:
        rabbit.bind(QUEUE, "orders")
        yield rabbit


@pytest.fixture
def publisher(sandbox: Sandbox, rabbit: RabbitMQ, settings: Settings) -> Publisher:
    settings.EVENTS_AMQP_URL, settings.EVENTS_AMQP_EXCHANGE = rabbit.url, "orders"
    rabbit.messages(QUEUE)
    publisher = Publisher()
    assert publisher.run() == 0  # from here on
    return publisher


def happen(count: int) -> None:
    for _ in range(count):
        place()
    while tell():
        pass


def cursors(rabbit: RabbitMQ) -> list[int]:
    """The numbers of what arrived, in order; a broker that was killed may hand out again what others took before."""
    ours = {event["id"] for event in event_feed.feed().find()}
    events = [json.loads(message.body) for message in rabbit.messages(QUEUE)]
    return [event["data"]["cursor"] for event in events if event["id"] in ours]


def test_what_is_told_is_published_in_order_as_cloud_events(publisher: Publisher, rabbit: RabbitMQ) -> None:
    happen(3)
    assert publisher.run() == 3
    messages = rabbit.messages(QUEUE)
    for number, message in enumerate(messages, 1):
        event = json.loads(message.body)
        stored = event_feed.feed().find_one({"_id": number})
        assert stored is not None
        assert (event["specversion"], event["type"], event["subject"]) == (
            "1.0",
            "order.placed",
            str(stored["order_id"]),
        )
        assert (event["id"], event["data"]["cursor"]) == (stored["id"], number)
        assert message.delivery_info["routing_key"] == "order.placed"
        assert (message.content_type, message.properties["message_id"]) == (
            "application/cloudevents+json",
            stored["id"],
        )
        assert message.properties["delivery_mode"] == 2
    assert len(messages) == 3
    assert publisher.run() == 0
    assert publishing.lag() == 0


def test_what_was_told_before_is_not_published(sandbox: Sandbox, rabbit: RabbitMQ, settings: Settings) -> None:
    settings.EVENTS_AMQP_URL = rabbit.url
    rabbit.messages(QUEUE)
    assert publishing.lag() is None
    happen(2)
    assert Publisher().run() == 0
    assert rabbit.messages(QUEUE) == []


def test_only_one_publishes(publisher: Publisher, rabbit: RabbitMQ) -> None:
    happen(1)
    assert Publisher().run() == 0
    publisher.leave()
    assert Publisher().run() == 1
    assert cursors(rabbit) == [1]


def test_replaying_is_setting_the_cursor_back(publisher: Publisher, rabbit: RabbitMQ) -> None:
    happen(3)
    publisher.run()
    publishing.replay(after=1)
    assert publishing.lag() == 2
    publisher.run()
    assert cursors(rabbit) == [1, 2, 3, 2, 3]
    with pytest.raises(EventsDeleted):
        publishing.replay(after=4)


def test_operators_have_events_published_again(publisher: Publisher, rabbit: RabbitMQ) -> None:
    assert replayed("--after", "0") == "0 events are to be published\n"
    happen(4)
    publisher.run()
    assert replayed("--after", "2") == "2 events are to be published\n"
    publisher.run()
    moment = timezone.now() - timedelta(hours=1)
    event_feed.feed().update_many({"_id": {"$lte": 3}}, {"$set": {"told_at": moment - timedelta(hours=1)}})
    assert replayed("--since", moment.isoformat()) == "1 events are to be published\n"
    publisher.run()
    assert cursors(rabbit) == [1, 2, 3, 4, 3, 4, 4]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--after", "4"], "follow 1 to 3; 4 is none"),
        (["--after", "0"], "follow 1 to 3; 0 is none"),
        (["--after", "-1"], "is not a cursor"),
        (["--after", "x"], "is not a cursor"),
        (["--since", "2999-01-01"], "still to come"),
        (["--since", "2026-01-01"], "The events that are kept were told since"),
        (["--since", "soon"], "is not a date or time"),
        ([], "one of the arguments --after --since is required"),
        (["--after", "2", "--since", "2026-01-01"], "not allowed with"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_published_again_is_refused(publisher: Publisher, asked: list[str], said: str) -> None:
    happen(3)
    publisher.run()
    event_feed.feed().delete_one({"_id": 1})
    with pytest.raises(CommandError, match=said) as refused:
        replayed(*asked)
    assert refused.value.returncode in (1, 2)
    assert event_cursors.position(publishing.CURSOR) == 3


def replayed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("replay_events", *arguments, stdout=out)
    return out.getvalue()


def test_events_that_were_deleted_are_no_silent_gap(publisher: Publisher, rabbit: RabbitMQ) -> None:
    happen(3)
    event_feed.feed().delete_many({"_id": {"$lte": 2}})
    with pytest.raises(EventsDeleted, match="follow 2 to 3; 0 is none"):
        publisher.run()
    assert cursors(rabbit) == []


def test_a_turn_that_was_lost_in_between_moves_nothing(
    publisher: Publisher, rabbit: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(2)
    monkeypatch.setattr(publishing, "RENEW_AFTER", 1)
    cloud_event = publishing.cloud_event

    def and_lose(event: dict[str, object]) -> bytes:
        event_cursors.reset(publishing.CURSOR, 0)
        return cloud_event(event)

    monkeypatch.setattr(publishing, "cloud_event", and_lose)
    assert publisher.run() == 0
    assert event_cursors.position(publishing.CURSOR) == 0


def test_a_cursor_that_was_set_back_in_between_is_obeyed(
    publisher: Publisher, rabbit: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(2)
    monkeypatch.setattr(publishing, "RENEW_AFTER", 1)
    advance = event_cursors.advance

    def and_back(name: str, holder: str, cursor: int) -> bool:
        moved = advance(name, holder, cursor)
        event_cursors.reset(name, 0)
        return moved

    with monkeypatch.context() as patch:
        patch.setattr(event_cursors, "advance", and_back)
        assert publisher.run() == 1
    assert publisher.run() == 2
    assert cursors(rabbit) == [1, 1, 2]


def test_a_broker_that_is_not_there_costs_no_event(publisher: Publisher, rabbit: RabbitMQ) -> None:
    happen(1)
    rabbit.kill()
    try:
        with pytest.raises(BrokerUnavailable):
            publisher.run()
    finally:
        rabbit.start()
    assert publisher.run() == 1
    assert cursors(rabbit) == [1]


@pytest.mark.parametrize("refusal", ["the password", "the virtual host", "the exchange"])
def test_what_the_broker_refuses_is_tried_again_until_it_is_mended(
    publisher: Publisher, rabbit: RabbitMQ, settings: Settings, refusal: str
) -> None:
    happen(1)
    if refusal == "the exchange":
        settings.EVENTS_AMQP_EXCHANGE = "taken"
        with Connection(rabbit.url) as connection:
            Exchange("taken", type="direct", durable=True)(connection.channel()).declare()
    elif refusal == "the password":
        settings.EVENTS_AMQP_URL = rabbit.url.replace(":guest@", ":wrong@")
    else:
        settings.EVENTS_AMQP_URL = rabbit.url.replace(f"{rabbit.port}//", f"{rabbit.port}/missing")
    with pytest.raises(BrokerUnavailable) as refused:
        publisher.run()
    assert "wrong" not in str(refused.value)
    assert event_cursors.position(publishing.CURSOR) == 0
    settings.EVENTS_AMQP_URL, settings.EVENTS_AMQP_EXCHANGE = rabbit.url, "orders"
    assert publisher.run() == 1
    assert cursors(rabbit) == [1]


def test_events_that_are_deleted_while_they_are_read_are_no_silent_gap(
    publisher: Publisher, rabbit: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(5)
    events_after = event_feed.events_after

    def purged_amid(cursor: int, *, limit: int) -> list[dict[str, object]]:
        found = events_after(cursor, limit=limit)
        event_feed.feed().delete_many({"_id": {"$lte": 4}})
        return [event for event in found if event["_id"] not in (3, 4)]

    monkeypatch.setattr(event_feed, "events_after", purged_amid)
    assert publisher.run() == 2
    with pytest.raises(EventsDeleted, match="follow 4 to 5; 2 is none"):
        publisher.run()
    assert [json.loads(message.body)["data"]["cursor"] for message in rabbit.messages(QUEUE)] == [1, 2]


@pytest.mark.slow
def test_a_broker_that_is_killed_under_load_gets_every_event_in_order(publisher: Publisher, rabbit: RabbitMQ) -> None:
    happen(20)
    event_feed.feed().insert_many(
        [event | {"_id": 20 * turn + event["_id"], "id": f"{turn}-{event['id']}", "sequence": 0}
         for turn in range(1, 50) for event in event_feed.feed().find({"_id": {"$lte": 20}})]
    )  # fmt: skip
    killed = threading.Timer(0.5, rabbit.kill)
    killed.start()
    published, failures = 0, 0
    while published < 1000 and failures < 50:
        try:
            published += publisher.run()
            published = event_cursors.position(publishing.CURSOR) or 0
        except BrokerUnavailable:
            failures += 1
            killed.join()
            if failures == 1:
                rabbit.start()
            time.sleep(0.1)
    killed.join()
    assert failures
    arrived = cursors(rabbit)
    firsts = list(dict.fromkeys(arrived))
    assert firsts == list(range(1, 1001))
    assert len(arrived) - len(firsts) <= publishing.RENEW_AFTER * failures
