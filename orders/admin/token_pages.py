"""Service tokens in the backoffice: the list, a new one, which is shown once, and one that is revoked."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from orders.admin import token_facts
from orders.admin.page_bases import Managed, only_read, read_or_posted
from orders.admin.staff_actions import actor_of
from orders.models import ServiceToken
from orders.services import service_tokens
from orders.services.access import MANAGE_TOKENS
from orders.services.errors import OrderError
from orders.services.identifiers import object_id as id_typed


@admin.register(ServiceToken)
class TokenAdmin(Managed):
    """For those who manage service tokens; what they change goes through the service."""

    permission = MANAGE_TOKENS
    look = gettext_lazy("Check whether the token is in the list")

    def get_urls(self) -> list[URLPattern]:
        revoke = path(
            "<str:token_id>/revoke/", self.admin_site.admin_view(self.revoke_view), name="orders_servicetoken_revoke"
        )
        return [revoke, *super().get_urls()]

    @only_read
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        rows = [token_facts.facts(token) for token in service_tokens.list_tokens(self.manager(request))]
        return self.answer(request, "list", {"title": _("Service tokens"), "rows": rows})

    @read_or_posted
    @sensitive_variables("made")
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET the form; POST `name`, `scopes` and `days`: make a token, and show it in the answer, this once."""
        actor, status = self.manager(request), HTTPStatus.OK
        errors: dict[str, list[str]] = {}
        if request.method == "POST":
            try:
                made = service_tokens.create(**_typed(request.POST), actor=actor, at=timezone.now())
            except (OrderError, DatabaseError) as error:
                errors, status = self.refused(request, error)
            else:
                context = {"title": _("Service token"), "secret": made.secret, "row": token_facts.facts(made.token)}
                return self.answer(request, "made", context)
        context = {
            "title": _("Create service token"),
            "fields": token_facts.fields(request.POST, actor),
            "errors": errors,
        }
        return self.answer(request, "add", context, status)

    @only_read
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """GET what is known of a token."""
        return self.answer(
            request, "token", {"title": _("Service token"), "row": token_facts.facts(self._token(request, object_id))}
        )

    @read_or_posted
    def revoke_view(self, request: HttpRequest, token_id: str) -> HttpResponse:
        """GET the question; POST: refuse a token from now on."""
        token = self._token(request, token_id)
        if request.method != "POST":
            return self.answer(request, "revoke", {"title": _("Revoke service token"), "row": token_facts.facts(token)})

        def revoke() -> str:
            service_tokens.revoke(token.pk, actor=actor_of(request), at=timezone.now())
            return _("Token of %(service)s revoked.") % {"service": token.name}

        self.carry_out(request, revoke, _("Check whether the token is revoked"))
        return HttpResponseRedirect(reverse("admin:orders_servicetoken_changelist"))

    def _token(self, request: HttpRequest, given: str) -> ServiceToken:
        actor, found = self.manager(request), id_typed(given)
        if found is None:
            raise Http404(f"{given[:30]} is not the id of a service token.")
        try:
            return service_tokens.get_token(found, actor)
        except service_tokens.ServiceTokenNotFound as error:
            raise Http404(error.detail) from error


def _typed(post: QueryDict) -> dict[str, Any]:
    """What was posted; days that are no number count as none at all, which is refused."""
    days = post.get("days", "").strip()
    return {
        "name": post.get("name", "").strip(),
        "scopes": post.getlist("scopes"),
        "days": (int(days) if days.isdecimal() and len(days) < 6 else 0) if days else None,
    }
