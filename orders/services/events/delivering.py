"""Delivering events to webhook endpoints: each signed, in the order of the feed, at least once.

An endpoint is delivered to under a lease, by one thread at a time over all machines, event by event; its cursor moves
only after the endpoint has answered 2xx. A process that dies in between leaves an event to be delivered again, with the
same `webhook-id`.
"""

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from django.db import DatabaseError, connections
from django.utils import timezone
from django.utils.translation import gettext_noop

from integrations import webhook_calls
from integrations.webhook_calls import Delivery
from observability.metrics import WEBHOOK_DELIVERIES
from orders.models import Document
from orders.services.events.public_event import public_event
from orders.services.events.webhook_messages import signed_message
from orders.storage import event_feed, new_id, webhook_endpoints
from orders.storage.webhook_endpoints import Attempted

logger = logging.getLogger(__name__)

PAGE = 100
LEASE = 30.0
"""Seconds; renewed before each call, which takes far less. So long is an endpoint left alone if a worker dies."""
FIRST_DELAY, LONGEST_DELAY = 5.0, 3600.0
"""Seconds between attempts: exponential, with jitter."""
GIVE_UP_AFTER = timedelta(days=3)
TEST_TIMEOUT = 5.0
"""Seconds for a test event: somebody waits for it, and a thread of the web server with them."""
DELETED = gettext_noop("Events after %(cursor)s were deleted before they could be delivered.")
ANSWERED_GONE = gettext_noop("It answered 410 Gone.")
ANSWERED = gettext_noop("it answered %(status)s")
GIVEN_UP = gettext_noop("Nothing could be delivered to it for %(days)s days; at last: %(error)s.")
GONE = 410
"""An endpoint that answers so wants no more (Standard Webhooks)."""


class Deliverer:
    """Delivers to every endpoint, each in a thread of its own: one that is slow holds up no other."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._threads: dict[ObjectId, threading.Thread] = {}
        self._abandoned: dict[ObjectId, str] = {}
        """Who held the lease of an endpoint when the database failed: nobody is delivering under it any more."""

    def start_due(self) -> None:
        """Start delivering to the endpoints that are due and that this process is not delivering to already.

        :raises DatabaseError:
        """
        self._threads = {key: thread for key, thread in self._threads.items() if thread.is_alive()}
        for endpoint_id in webhook_endpoints.due_endpoints(before=event_feed.newest_cursor()):
            if endpoint_id not in self._threads:
                thread = threading.Thread(target=self._deliver, args=[endpoint_id], name=f"webhook-{endpoint_id}")
                self._threads[endpoint_id] = thread
                thread.start()

    def join(self) -> None:
        """Wait until nothing is being delivered."""
        for thread in self._threads.values():
            thread.join()

    def _deliver(self, endpoint_id: ObjectId) -> None:
        holder = new_id()
        try:
            if abandoned := self._abandoned.get(endpoint_id):
                webhook_endpoints.give_back(endpoint_id, abandoned)
                del self._abandoned[endpoint_id]
            deliver(endpoint_id, holder=holder, stopping=self._stopping)
        except DatabaseError as error:
            self._abandoned.setdefault(endpoint_id, holder)
            logger.warning("webhook %s: the database does not answer: %s", endpoint_id, error.__cause__ or error)
        except Exception:
            logger.exception("webhook %s: events could not be delivered", endpoint_id)
        finally:
            connections.close_all()


def deliver(endpoint_id: ObjectId, *, holder: str = "", stopping: Callable[[], bool] = lambda: False) -> int:
    """Deliver to one endpoint what it has not had, until that is all, or a call fails.

    :param holder: under whose name; nobody else's.
    :returns: how many events were delivered.
    :raises DatabaseError: the last one may have been delivered without a record of it.
    """
    holder, count = holder or new_id(), 0
    try:
        while not stopping() and (endpoint := webhook_endpoints.take(endpoint_id, holder, LEASE)):
            done, more = _page(endpoint, holder, stopping)
            count += done
            if not more:
                break
    finally:
        webhook_endpoints.give_back(endpoint_id, holder)
    return count


def send_test(endpoint: Mapping[str, Any]) -> Delivery:
    """Send an endpoint an event of the type `webhook.test`, once; nothing is recorded of it."""
    now = timezone.now()
    event = {"type": "webhook.test", "timestamp": now, "data": {}}
    return webhook_calls.post_for_someone_waiting(
        TEST_TIMEOUT, **signed_message(endpoint, f"test-{new_id()}", event, now)
    )


def _page(endpoint: Document, holder: str, stopping: Callable[[], bool]) -> tuple[int, bool]:
    """Deliver some events. :returns: how many, and whether to go on."""
    endpoint_id, cursor = endpoint["_id"], endpoint["cursor"]
    found = event_feed.events_after(cursor, limit=PAGE)
    events = event_feed.without_gap(found, cursor)
    if found and not events:
        webhook_endpoints.stop(endpoint_id, holder, None, DELETED % {"cursor": cursor})
        return 0, False
    types: Sequence[str] = endpoint.get("types") or ()
    done = 0
    for event in events:
        if stopping():
            return done, False
        if types and event["type"] not in types:
            continue
        held = webhook_endpoints.take(endpoint_id, holder, LEASE)
        if held and (held["cursor"] != cursor or (held.get("types") or ()) != types):
            return done, True  # it was set back, or is to be sent others
        if not held or not _deliver_one(held, holder, event):
            return done, False
        done, cursor = done + 1, event["_id"]
    if events and not webhook_endpoints.delivered(endpoint_id, holder, events[-1]["_id"], None):
        return done, False
    return done, len(found) == PAGE


def _deliver_one(endpoint: Document, holder: str, event: Document) -> bool:
    """:returns: whether it was delivered, and the endpoint is still ours."""
    told = public_event(event) | {"timestamp": event["at"]}
    result = webhook_calls.post(**signed_message(endpoint, event["id"], told, timezone.now()))
    WEBHOOK_DELIVERIES.labels("delivered" if result.succeeded else "failed").inc()
    attempted = Attempted(
        event["_id"], event["id"], event["type"], result.status, result.milliseconds, result.error[:200]
    )
    if result.succeeded:
        return webhook_endpoints.delivered(endpoint["_id"], holder, event["_id"], attempted)
    if why := _reason_to_stop(endpoint, result):
        webhook_endpoints.stop(endpoint["_id"], holder, attempted, why)
        logger.warning("webhook %s was switched off: %s", endpoint["_id"], why)
        return False
    failures = (endpoint.get("failures") or 0) + 1
    webhook_endpoints.failed(
        endpoint["_id"], holder, attempted, failures=failures, again_in=_delay(failures, result.retry_after)
    )
    return False


def _reason_to_stop(endpoint: Document, result: Delivery) -> str:
    if result.status == GONE:
        return ANSWERED_GONE
    since: datetime | None = endpoint.get("failing_since")
    if since and timezone.now() - since.replace(tzinfo=UTC) > GIVE_UP_AFTER:
        last = result.error or ANSWERED % {"status": result.status}
        return GIVEN_UP % {"days": GIVE_UP_AFTER.days, "error": last}
    return ""


def _delay(failures: int, asked: float | None) -> float:
    """Seconds until the next attempt: at least what the endpoint asked for, up to LONGEST_DELAY."""
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 20))
    return min(LONGEST_DELAY, max(asked or 0.0, delay * random.uniform(0.8, 1.2)))  # noqa: S311 - spreads retries
