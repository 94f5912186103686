"""The feed of events in the backoffice: the newest first, with filters, and one event as others get it."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin import labels
from orders.admin.page_bases import OwnPages, only_read
from orders.admin.staff_actions import actor_of, why_not
from orders.models import EVENT_TYPES, Document
from orders.services.errors import OrderError
from orders.services.events import browsing
from orders.services.events.browsing import EventPage
from orders.services.events.public_event import public_event
from orders.services.stored_texts import for_reader

CURSOR = re.compile(r"[0-9]{1,18}\Z")


class EventPages(OwnPages):
    """The feed's part of the backoffice's order pages."""

    def get_urls(self) -> list[URLPattern]:
        protect = self.admin_site.admin_view
        return [
            path("events/", protect(self.events_view), name="orders_order_events"),
            path("events/<str:cursor>/", protect(self.event_view), name="orders_order_event"),
            *super().get_urls(),
        ]

    @only_read
    def events_view(self, request: HttpRequest) -> HttpResponse:
        """GET, with `type`, `order` and `from` (a cursor): events, the newest first, from that one back."""
        self.require_view(request)
        given = {name: request.GET.get(name, "").strip() for name in ("type", "order", "from")}
        page, problems, status = EventPage([], None), _problems(given), 200
        if not problems:
            page, problems, status = _read(request, given)
        kept = {name: value for name, value in given.items() if value and name != "from"}
        context = {
            "title": _("Events"),
            "given": given,
            "filtered": any(given.values()),
            "problems": problems,
            "types": EVENT_TYPES,
            "rows": [_row(event, page.customers) for event in page.events],
            "newest": f"?{urlencode(kept)}",
            "older": f"?{urlencode({**kept, 'from': page.older})}" if page.older else "",
        }
        return self.answer(request, "feed", context, status)

    @only_read
    def event_view(self, request: HttpRequest, cursor: str) -> HttpResponse:
        """GET: one event, with the JSON that others get."""
        self.require_view(request)
        event = browsing.get_event(int(cursor), actor_of(request)) if CURSOR.match(cursor) else None
        if event is None:
            raise Http404(f"There is no event {cursor[:30]}.")
        shown = orjson.loads(orjson.dumps(public_event(event), option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z))
        context = {
            "title": _("Event %(cursor)s") % {"cursor": event["_id"]},
            "row": _row(event),
            "told": labels.moment(labels.aware(event["told_at"]), timezone.now()),
            "json": orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode(),
        }
        return self.answer(request, "feed_event", context)


def _problems(given: dict[str, str]) -> dict[str, str]:
    problems = {}
    if given["type"] and given["type"] not in EVENT_TYPES:
        problems["type"] = _("There is no such type.")
    if given["from"] and not CURSOR.match(given["from"]):
        problems["from"] = _("A cursor is a whole number.")
    return problems


def _read(request: HttpRequest, given: dict[str, str]) -> tuple[EventPage, dict[str, str], int]:
    """The page asked for, what is wrong with what was asked, and the status of the answer."""
    upto = int(given["from"]) if given["from"] else None
    types = [given["type"]] if given["type"] else []
    try:
        return browsing.newest_first(actor_of(request), upto=upto, types=types, order=given["order"]), {}, 200
    except OrderError as error:
        why_not(error)  # whoever may not look is not told what is wrong
        return EventPage([], None), {"order": error.detail}, 200
    except DatabaseError:
        return EventPage([], None), {"": _("The database did not answer in time. Try again in a moment.")}, 503


def _row(event: Document, customers: Mapping[Any, str] | None = None) -> dict[str, Any]:
    return {
        "cursor": event["_id"],
        "type": event["type"],
        "order_id": event.get("order_id"),
        "number": event.get("number"),
        "customer": (customers or {}).get(event.get("order_id"), ""),
        "run_id": event.get("run_id"),
        "sequence": event.get("sequence"),
        "version": event.get("version"),
        "when": labels.moment(labels.aware(event["at"]), timezone.now()),
        "who": labels.person(event["actor"]),
        "reason": for_reader(event["data"].get("reason", "")),
        "id": event["id"],
    }
