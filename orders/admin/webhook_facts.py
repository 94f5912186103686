"""A webhook endpoint as its pages tell of it: its state, its last deliveries, and the fields of its form."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin import badges, labels
from orders.admin.local_formats import count
from orders.models import EVENT_TYPES, OrderOutcome, WebhookEndpoint
from orders.services.events import webhooks
from orders.services.stored_texts import for_reader


def facts(endpoint: WebhookEndpoint, newest: int) -> dict[str, Any]:
    """An endpoint as its pages tell of it. :param newest: the cursor of the newest event."""
    failing, lag = endpoint.failing_since, max(0, newest - endpoint.cursor)
    return {
        "endpoint": endpoint,
        "state": endpoint.state,
        "badge": badges.of(endpoint.state),
        "failing": labels.moment(failing, timezone.now()) if failing else None,
        "due": labels.moment(endpoint.due_at, timezone.now()) if endpoint.due_at else None,
        "behind": ngettext("%(events)s event", "%(events)s events", lag) % {"events": count(lag)},
        "newest": newest,
        "types": endpoint.types,
    }


def origin(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Who added an endpoint, when, and why nothing is delivered to it any more, if that is so."""
    return {
        "created": labels.moment(endpoint.created_at, timezone.now()),
        "creator": labels.person(endpoint.created_by),
        "stopped_because": for_reader(endpoint.stopped_because),
    }


def delivered(delivery: dict[str, Any]) -> dict[str, Any]:
    """What came of a delivery."""
    succeeded = delivery["status"] is not None and 200 <= delivery["status"] < 300
    answer = delivery["status"] or _("No answer")
    return {
        **delivery,
        "when": labels.moment(delivery["at"], timezone.now()),
        "succeeded": succeeded,
        "answer": answer,
        "error": for_reader(delivery["error"]),
        "milliseconds": count(delivery["milliseconds"]),
        "badge": badges.badge(OrderOutcome.DONE if succeeded else OrderOutcome.FAILED, answer),
    }


def fields(typed: dict[str, Any]) -> dict[str, Any]:
    """What the form shows: what was typed, or what is stored."""
    chosen = typed.get("types", [])
    return {
        "url": typed.get("url", ""),
        "description": typed.get("description", ""),
        "types": [(kind, kind in chosen) for kind in EVENT_TYPES],
        "longest_url": webhooks.LONGEST_URL,
        "longest_description": webhooks.LONGEST_DESCRIPTION,
    }
