"""What keeps others from hearing what happens: events that are told late, and followers who do not get them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _

from orders.models import EndpointState, WebhookEndpoint
from orders.services.access import MANAGE_WEBHOOKS, Actor, NotPermitted
from orders.services.events import publishing
from orders.storage import event_feed, time_limit

TOLD_WITHIN = timedelta(seconds=60)
"""An event that waits longer to be told is late."""
FAILING_TOO_LONG = timedelta(hours=1)
BROKER_TOO_LATE = timedelta(minutes=5)
READING = 1.0
"""Seconds."""


@dataclass(frozen=True)
class EventTroubles:
    """What is wrong, each thing until it is mended.

    :ivar webhooks: endpoints that the service has switched off, or that have failed for FAILING_TOO_LONG.
    :ivar untold_since: since when something has waited to be told, if that is too long.
    :ivar unpublished_since: when the oldest event was told that the broker has not had, if that is too long ago.
    """

    webhooks: Sequence[WebhookEndpoint] = ()
    untold_since: datetime | None = None
    unpublished_since: datetime | None = None

    @property
    def late(self) -> int:
        """How many of the two, the feed and the broker, are late."""
        return sum(since is not None for since in (self.untold_since, self.unpublished_since))

    def __bool__(self) -> bool:
        return bool(self.webhooks or self.late)


def event_troubles(*, actor: Actor, at: datetime) -> EventTroubles:
    """What is wrong now; of webhooks only those hear who manage them.

    :raises NotPermitted: the actor does not see all orders.
    :raises DatabaseError: also where it takes too long.
    """
    if not actor.sees_all:
        raise NotPermitted(_("You may not see whether events are late."))
    with time_limit(READING):
        return EventTroubles(
            [endpoint for endpoint in WebhookEndpoint.objects.order_by("pk") if _needs_somebody(endpoint, at)]
            if actor.has(MANAGE_WEBHOOKS)
            else [],
            _if_longer(untold_since(), TOLD_WITHIN, at),
            _if_longer(publishing.waiting_since(), BROKER_TOO_LATE, at),
        )


def untold_since() -> datetime | None:
    """Since when (aware) something has waited to be told; None if nothing does."""
    found = event_feed.untold_since()
    return found.replace(tzinfo=UTC) if found else None


def _needs_somebody(endpoint: WebhookEndpoint, at: datetime) -> bool:
    failing = _if_longer(endpoint.failing_since, FAILING_TOO_LONG, at)
    return endpoint.state == EndpointState.STOPPED or (endpoint.active and failing is not None)


def _if_longer(since: datetime | None, span: timedelta, at: datetime) -> datetime | None:
    return since if since and at - since > span else None
