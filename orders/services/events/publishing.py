"""Publishing the feed to a message broker: each event as a CloudEvent, in order, at least once.

The cursor moves only past what the broker has confirmed. Published are the events that are told after EVENTS_AMQP_URL
was first set; :func:`replay` sets the cursor back (`manage.py replay_events`).
"""

from collections.abc import Callable
from datetime import datetime

import orjson
from django.conf import settings

from integrations.message_broker import Broker, BrokerUnavailable
from orders.models import Document
from orders.services.errors import OrderError, RefusalKind
from orders.services.events.public_event import public_event
from orders.services.events.reading import problem_of_moment
from orders.storage import event_cursors, event_feed, new_id

__all__ = ["BrokerUnavailable", "EventsDeleted", "Publisher", "replay", "replay_since"]

CURSOR = event_cursors.AMQP
PAGE = 200
LEASE = 60.0
"""Seconds; renewed for each page, whose every message may take up to ten before it fails."""
RENEW_AFTER = 20
"""Messages of a page after which what is confirmed is recorded and the lease renewed."""


class EventsDeleted(OrderError):
    """Events cannot be published that the feed no longer, or not yet, has."""

    code = "events_deleted"
    kind = RefusalKind.GONE


class Publisher:
    """Publishes while it has the turn; of several, on any machine, one."""

    def __init__(self) -> None:
        self._holder = new_id()

    def run(self, *, stopping: Callable[[], bool] = lambda: False) -> int:
        """Publish what the broker has not had, until that is all.

        :returns: how many events were published.
        :raises BrokerUnavailable: what was confirmed is recorded; the next run repeats the rest.
        :raises EventsDeleted: what was to come next has been deleted: see :func:`replay`.
        :raises DatabaseError:
        """
        last = event_feed.last_event()
        cursor = event_cursors.take(CURSOR, self._holder, LEASE, start=last["_id"] if last else 0)
        if cursor is None or last is None or cursor >= last["_id"]:
            return 0
        _require_kept(cursor)
        count = 0
        with Broker(settings.EVENTS_AMQP_URL, settings.EVENTS_AMQP_EXCHANGE) as broker:
            while not stopping() and (events := _after(cursor)):
                for start in range(0, len(events), RENEW_AFTER):
                    published = self._publish(broker, events[start : start + RENEW_AFTER])
                    if published is None:
                        return count
                    cursor, count = published, count + len(events[start : start + RENEW_AFTER])
        return count

    def _publish(self, broker: Broker, events: list[Document]) -> int | None:
        """:returns: the number of the last event; None if another has the turn."""
        if event_cursors.take(CURSOR, self._holder, LEASE, start=0) != events[0]["_id"] - 1:
            return None  # it was set back, or another has gone on
        confirmed = 0
        try:
            for event in events:
                broker.publish(
                    cloud_event(event),
                    routing_key=event["type"],
                    message_id=event["id"],
                    content_type="application/cloudevents+json",
                )
                confirmed = event["_id"]
        finally:
            moved = bool(confirmed) and event_cursors.advance(CURSOR, self._holder, confirmed)
        return confirmed if moved else None

    def leave(self) -> None:
        """Give the turn back at once instead of when its lease ends."""
        event_cursors.give_back(CURSOR, self._holder)


def cloud_event(event: Document) -> bytes:
    """An event in the JSON format of CloudEvents 1.0."""
    told = {
        "specversion": "1.0",
        "id": event["id"],
        "source": f"{settings.API_PREFIX}/events",
        "type": event["type"],
        "time": event["at"],
        "datacontenttype": "application/json",
        "data": public_event(event),
    }
    if order_id := event.get("order_id"):
        told["subject"] = str(order_id)
    return orjson.dumps(told, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)


def replay(*, after: int) -> None:
    """Publish again, or for the first time, all events with a larger number.

    :raises EventsDeleted: events after that one have been deleted, or it is still to come.
    """
    _require_kept(after)
    event_cursors.reset(CURSOR, after)


def replay_since(*, since: datetime, at: datetime) -> None:
    """Publish again, or for the first time, all events that were told since a moment.

    :param at: now.
    :raises EventsDeleted: events of that time have been deleted, or it is still to come.
    """
    if problem := problem_of_moment(since, at):
        raise EventsDeleted(problem)
    replay(after=event_feed.last_before(since))


def lag() -> int | None:
    """How many events the broker has not had; None if nothing was ever published."""
    position, last = event_cursors.position(CURSOR), event_feed.last_event()
    return None if position is None else (last["_id"] if last else 0) - position


def waiting_since() -> datetime | None:
    """When the oldest event was told that the broker has not had; None if it has had all, or there is no broker."""
    position = event_cursors.position(CURSOR) if settings.EVENTS_AMQP_URL else None
    return None if position is None else event_feed.told_after(position)


def _after(cursor: int) -> list[Document]:
    return event_feed.without_gap(event_feed.events_after(cursor, limit=PAGE), cursor)


def _require_kept(cursor: int) -> None:
    oldest, last = event_feed.oldest_cursor(), event_feed.last_event()
    first, newest = (oldest or 1) - 1, last["_id"] if last else 0
    if not first <= cursor <= newest:
        raise EventsDeleted(f"The events that can be published follow {first} to {newest}; {cursor} is none of these.")
