"""What the buttons of a webhook endpoint's page do: switching it on and off, its secrets, tests and replays."""

import re
from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin.local_formats import count
from orders.models import WebhookEndpoint
from orders.services.access import Actor
from orders.services.days import zone
from orders.services.errors import OrderError
from orders.services.events import webhooks
from orders.services.stored_texts import for_reader

CURSOR = re.compile(r"[0-9]{1,18}\Z")
Done = tuple[str, int]
"""What was done, in words, and the level of the message."""


def _switch_on(endpoint: WebhookEndpoint, post: QueryDict, actor: Actor) -> Done:
    webhooks.change_endpoint(endpoint.pk, active=True, actor=actor)
    return _("Switched on. Deliveries go on where they stopped."), messages.SUCCESS


def _switch_off(endpoint: WebhookEndpoint, post: QueryDict, actor: Actor) -> Done:
    webhooks.change_endpoint(endpoint.pk, active=False, actor=actor)
    return _("Switched off. Nothing is delivered until it is switched on."), messages.SUCCESS


def _end_rotation(endpoint: WebhookEndpoint, post: QueryDict, actor: Actor) -> Done:
    webhooks.end_rotation(endpoint.pk, actor=actor)
    return _("Events are signed with the newest secret only."), messages.SUCCESS


def _send_test(endpoint: WebhookEndpoint, post: QueryDict, actor: Actor) -> Done:
    sent = webhooks.send_test(endpoint.pk, actor=actor)
    facts = {"status": sent.status, "error": for_reader(sent.error), "milliseconds": count(sent.milliseconds)}
    if sent.succeeded:
        told = _("Test event delivered: the endpoint answered %(status)s in %(milliseconds)s ms.")
    elif sent.status:
        told = _("Test event not delivered. The endpoint answered %(status)s (%(milliseconds)s ms).")
    else:
        told = _("Test event not delivered. No answer: %(error)s (%(milliseconds)s ms).")
    return told % facts, messages.SUCCESS if sent.succeeded else messages.ERROR


def _replay(endpoint: WebhookEndpoint, post: QueryDict, actor: Actor) -> Done:
    """Take `after`."""
    given = post.get("after", "").strip()
    if not CURSOR.match(given):
        raise OrderError(_("A cursor is a whole number."))
    return _replayed(endpoint, webhooks.replay(endpoint.pk, after=int(given), actor=actor))


def _replay_since(endpoint: WebhookEndpoint, post: QueryDict, actor: Actor) -> Done:
    """Take `since`, by the clocks of the shop."""
    try:
        since = datetime.fromisoformat(post.get("since", "").strip())
    except ValueError:
        since = None
    if since is None or since.tzinfo is not None:
        raise OrderError(_("Enter a date and a time, such as 2026-01-31 14:30."))
    replayed = webhooks.replay_since(endpoint.pk, since=since.replace(tzinfo=zone()), actor=actor, at=timezone.now())
    return _replayed(endpoint, replayed)


def _replayed(before: WebhookEndpoint, after: WebhookEndpoint) -> Done:
    skipped = max(0, after.cursor - before.cursor)
    if skipped:
        told = ngettext(
            "Deliveries go on after event %(cursor)s. %(skipped)s event will not be delivered.",
            "Deliveries go on after event %(cursor)s. %(skipped)s events will not be delivered.",
            skipped,
        )
    else:
        told = _("Deliveries go on after event %(cursor)s.")
    facts = {"cursor": after.cursor, "skipped": count(skipped)}
    return told % facts, messages.WARNING if skipped else messages.SUCCESS


ACTS: dict[str, Callable[[WebhookEndpoint, QueryDict, Actor], Done]] = {
    "on": _switch_on,
    "off": _switch_off,
    "end_rotation": _end_rotation,
    "test": _send_test,
    "replay": _replay,
    "replay_since": _replay_since,
}
"""What the buttons of an endpoint's page post as `act`, besides `rotate`."""
