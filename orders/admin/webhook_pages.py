"""Webhook endpoints in the backoffice: the list, a new one, and the page of one, with its form and its buttons."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin import webhook_facts
from orders.admin.page_bases import Managed, only_read, read_or_posted
from orders.admin.posted import only_posted, unsent
from orders.admin.staff_actions import actor_of, why_not
from orders.admin.webhook_acts import ACTS
from orders.models import WebhookEndpoint
from orders.services.access import MANAGE_WEBHOOKS
from orders.services.errors import OrderError
from orders.services.events import webhooks
from orders.services.identifiers import object_id as id_typed

NEW_SECRET = "webhook_secret"  # noqa: S105 - a name, no secret
"""The key of a session under which a new secret waits to be shown, once."""


@admin.register(WebhookEndpoint)
class WebhookAdmin(Managed):
    """For those who manage webhooks; what they change goes through the service."""

    permission = MANAGE_WEBHOOKS
    look = gettext_lazy("Check whether the webhook has changed")

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(only_posted(self.act_view))
        return [path("<str:endpoint_id>/act/", act, name="orders_webhookendpoint_act"), *super().get_urls()]

    @only_read
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        actor = self.manager(request)
        newest, last = webhooks.newest_cursor(actor), webhooks.last_deliveries(actor)
        rows = [
            {
                **webhook_facts.facts(endpoint, newest),
                "last": webhook_facts.delivered(last[endpoint.pk]) if endpoint.pk in last else None,
            }
            for endpoint in webhooks.list_endpoints(actor)
        ]
        return self.answer(request, "list", {"title": _("Webhooks"), "rows": rows})

    @read_or_posted
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
        context = {"title": _("Add webhook"), "fields": webhook_facts.fields(typed), "errors": errors}
        return self.answer(request, "add", context, status)

    @read_or_posted
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
                return self._page_of(endpoint)
        actor = actor_of(request)
        context = {
            "title": endpoint.description or _("Webhook"),
            "endpoint": endpoint,
            "row": webhook_facts.facts(endpoint, webhooks.newest_cursor(actor)),
            **webhook_facts.origin(endpoint),
            "deliveries": [webhook_facts.delivered(delivery) for delivery in webhooks.deliveries(endpoint.pk, actor)],
            "secret": self._secret_to_show(request, endpoint),
            "fields": webhook_facts.fields(typed),
            "errors": errors,
        }
        return self.answer(request, "endpoint", context, status)

    @read_or_posted
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET the question; POST: delete an endpoint."""
        endpoint = self._endpoint(request, object_id)
        if request.method != "POST":
            return self.answer(request, "delete", {"title": _("Delete webhook"), "endpoint": endpoint})

        def delete() -> str:
            webhooks.delete_endpoint(endpoint.pk, actor=actor_of(request))
            return _("Webhook %(webhook)s deleted.") % {"webhook": endpoint}

        self.carry_out(request, delete, str(self.look))
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
            self.message_user(request, why_not(error, str(self.look)), messages.ERROR)
            return self._page_of(endpoint, unsent(error))
        return self._page_of(endpoint)

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
        return self._page_of(new.endpoint)

    def _secret_to_show(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        """The new secret of an endpoint, for the first who looks at its page; empty from then on."""
        owner, secret = request.session.get(NEW_SECRET, ("", ""))
        if owner != str(endpoint.pk) or request.method == "HEAD":
            return ""
        del request.session[NEW_SECRET]
        return str(secret)

    def _page_of(self, endpoint: WebhookEndpoint, query: str = "") -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:orders_webhookendpoint_change", args=[endpoint.pk]) + query)


def _typed(post: QueryDict) -> dict[str, Any]:
    return {
        "url": post.get("url", "").strip(),
        "types": post.getlist("types"),
        "description": post.get("description", ""),
    }
