"""Webhook endpoints in the backoffice: the list, one endpoint with its last deliveries, and what its buttons do."""

import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from bson import ObjectId
from django.contrib import admin, messages
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from orders.admin import badges, labels
from orders.admin.local_formats import count
from orders.admin.posted import only_posted, unsent
from orders.admin.read_only import Managed
from orders.admin.staff_actions import actor_of, why_not
from orders.models import EVENT_TYPES, OrderOutcome, WebhookEndpoint
from orders.services.access import MANAGE_WEBHOOKS, Actor
from orders.services.days import zone
from orders.services.errors import OrderError
from orders.services.events import webhooks
from orders.services.identifiers import object_id as id_typed
from orders.services.stored_texts import for_reader

NEW_SECRET = "webhook_secret"  # noqa: S105 - a name, no secret
"""The key of a session under which a new secret waits to be shown, once."""
CURSOR = re.compile(r"[0-9]{1,18}\Z")
Done = tuple[str, int]
"""What was done, in words, and the level of the message."""


@admin.register(WebhookEndpoint)
class WebhookAdmin(Managed):
    """For those who manage webhooks; what they change goes through the service."""

    permission = MANAGE_WEBHOOKS
    look = gettext_lazy("Check whether the webhook has changed")

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(only_posted(self.act_view))
        return [path("<str:endpoint_id>/act/", act, name="orders_webhookendpoint_act"), *super().get_urls()]

    @method_decorator(require_safe)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        actor = self.manager(request)
        newest, last = webhooks.newest_cursor(actor), webhooks.last_deliveries(actor)
        rows = [
            {**_facts(endpoint, newest), "last": _delivery(last[endpoint.pk]) if endpoint.pk in last else None}
            for endpoint in webhooks.list_endpoints(actor)
        ]
        return self.answer(request, "list", {"title": _("Webhooks"), "rows": rows})

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET the form; POST `url`, `types` and `description`: add an endpoint, and show its secret on its page."""
        actor, typed, status = self.manager(request), {}, HTTPStatus.OK
        errors: dict[str, list[str]] = {}
        if request.method == "POST":
            typed = _typed(request.POST)
            try:
                new = webhooks.create_endpoint(**typed, actor=actor, at=timezone.now())
            except (OrderError, DatabaseError) as error:
                errors, status = self.refused(request, error)
            else:
                self.message_user(request, _("Webhook added. It is sent events from now on."), messages.SUCCESS)
                return self._with_secret(request, new)
        context = {"title": _("Add webhook"), "fields": _fields(typed), "errors": errors}
        return self.answer(request, "add", context, status)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """GET an endpoint; POST `url`, `types` and `description`: change it."""
        endpoint, status = self._endpoint(request, object_id), HTTPStatus.OK
        errors: dict[str, list[str]] = {}
        typed: dict[str, Any] = {name: getattr(endpoint, name) for name in ("url", "types", "description")}
        if request.method == "POST":
            typed = _typed(request.POST)
            try:
                webhooks.change_endpoint(endpoint.pk, actor=actor_of(request), **typed)
            except (OrderError, DatabaseError) as error:
                errors, status = self.refused(request, error)
            else:
                self.message_user(request, _("Changes saved."), messages.SUCCESS)
                return self._page_of(endpoint.pk)
        actor = actor_of(request)
        context = {
            "title": endpoint.description or _("Webhook"),
            "endpoint": endpoint,
            "row": _facts(endpoint, webhooks.newest_cursor(actor)),
            "created": labels.moment(endpoint.created_at, timezone.now()),
            "creator": labels.person(endpoint.created_by),
            "stopped_because": for_reader(endpoint.stopped_because),
            "deliveries": [_delivery(delivery) for delivery in webhooks.deliveries(endpoint.pk, actor)],
            "secret": self._secret_to_show(request, endpoint),
            "fields": _fields(typed),
            "errors": errors,
        }
        return self.answer(request, "endpoint", context, status)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET the question; POST: delete an endpoint."""
        endpoint = self._endpoint(request, object_id)
        if request.method != "POST":
            return self.answer(request, "delete", {"title": _("Delete webhook"), "endpoint": endpoint})
        try:
            webhooks.delete_endpoint(endpoint.pk, actor=actor_of(request))
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error, self.look), messages.ERROR)
        else:
            self.message_user(request, _("Webhook %(webhook)s deleted.") % {"webhook": endpoint}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:orders_webhookendpoint_changelist"))

    def act_view(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """POST `act`, and what it asks for: do it, and go back to the endpoint."""
        endpoint, name = self._endpoint(request, endpoint_id), request.POST.get("act", "")
        try:
            if name == "rotate":
                return self._with_secret(request, webhooks.rotate_secret(endpoint.pk, actor=actor_of(request)))
            if name not in ACTS:
                raise OrderError(_("Unknown action."))
            self.message_user(request, *ACTS[name](endpoint, request.POST, actor_of(request)))
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error, self.look), messages.ERROR)
            return self._page_of(endpoint.pk, unsent(error))
        return self._page_of(endpoint.pk)

    def _endpoint(self, request: HttpRequest, given: str) -> WebhookEndpoint:
        actor, found = self.manager(request), id_typed(given)
        if found is None:
            raise Http404(f"{given[:30]} is not the id of a webhook endpoint.")
        try:
            return webhooks.get_endpoint(found, actor)
        except webhooks.WebhookNotFound as error:
            raise Http404(error.detail) from error

    def _with_secret(self, request: HttpRequest, new: webhooks.NewSecret) -> HttpResponse:
        request.session[NEW_SECRET] = [str(new.endpoint.pk), new.secret]
        return self._page_of(new.endpoint.pk)

    def _secret_to_show(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        """The new secret of an endpoint, for the first who looks at its page; empty from then on."""
        owner, secret = request.session.get(NEW_SECRET, ("", ""))
        if owner != str(endpoint.pk) or request.method == "HEAD":
            return ""
        del request.session[NEW_SECRET]
        return str(secret)

    def _page_of(self, endpoint_id: ObjectId, query: str = "") -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:orders_webhookendpoint_change", args=[endpoint_id]) + query)


def _typed(post: QueryDict) -> dict[str, Any]:
    return {
        "url": post.get("url", "").strip(),
        "types": post.getlist("types"),
        "description": post.get("description", ""),
    }


def _fields(typed: dict[str, Any]) -> dict[str, Any]:
    """What the form shows: what was typed, or what is stored."""
    chosen = typed.get("types", [])
    return {
        "url": typed.get("url", ""),
        "description": typed.get("description", ""),
        "types": [(kind, kind in chosen) for kind in EVENT_TYPES],
        "longest_url": webhooks.LONGEST_URL,
        "longest_description": webhooks.LONGEST_DESCRIPTION,
    }


def _facts(endpoint: WebhookEndpoint, newest: int) -> dict[str, Any]:
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


def _delivery(delivery: dict[str, Any]) -> dict[str, Any]:
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
