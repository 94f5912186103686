"""Service tokens in the backoffice: the list, a new one, which is shown once, and one that is revoked."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from orders.admin import badges, labels
from orders.admin.local_formats import day
from orders.admin.read_only import Managed
from orders.admin.staff_actions import actor_of, why_not
from orders.models import ServiceToken
from orders.services import service_tokens
from orders.services.access import MANAGE_TOKENS, SCOPE_WORDS, Actor
from orders.services.errors import OrderError
from orders.services.identifiers import object_id as id_typed
from orders.services.service_tokens import TokenState

STATES = {
    TokenState.ACTIVE: pgettext_lazy("service token", "Active"),
    TokenState.EXPIRED: pgettext_lazy("service token", "Expired"),
    TokenState.REVOKED: pgettext_lazy("service token", "Revoked"),
}


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

    @method_decorator(require_safe)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        rows = [_facts(token) for token in service_tokens.list_tokens(self.manager(request))]
        return self.answer(request, "list", {"title": _("Service tokens"), "rows": rows})

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
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
                context = {"title": _("Service token"), "secret": made.secret, "row": _facts(made.token)}
                return self.answer(request, "made", context)
        context = {"title": _("Create service token"), "fields": _fields(request.POST, actor), "errors": errors}
        return self.answer(request, "add", context, status)

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """GET what is known of a token."""
        return self.answer(
            request, "token", {"title": _("Service token"), "row": _facts(self._token(request, object_id))}
        )

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def revoke_view(self, request: HttpRequest, token_id: str) -> HttpResponse:
        """GET the question; POST: refuse a token from now on."""
        token = self._token(request, token_id)
        if request.method != "POST":
            return self.answer(request, "revoke", {"title": _("Revoke service token"), "row": _facts(token)})
        try:
            service_tokens.revoke(token.pk, actor=actor_of(request), at=timezone.now())
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error, _("Check whether the token is revoked")), messages.ERROR)
        else:
            self.message_user(request, _("Token of %(service)s revoked.") % {"service": token.name}, messages.SUCCESS)
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


def _fields(post: QueryDict, actor: Actor) -> dict[str, Any]:
    """What the form shows: the scopes that this person may give, and what was typed."""
    chosen = post.getlist("scopes")
    scopes = [(scope, SCOPE_WORDS[scope], scope in chosen) for scope in service_tokens.scopes_to_give(actor)]
    longest = {"longest_name": service_tokens.LONGEST_NAME, "longest_life": service_tokens.LONGEST_LIFE}
    return {"name": post.get("name", ""), "days": post.get("days", ""), "scopes": scopes, **longest}


def _facts(token: ServiceToken) -> dict[str, Any]:
    """A token as its pages tell of it."""
    now = timezone.now()
    state = service_tokens.state_of(token, now)
    return {
        "token": token,
        "badge": badges.badge(state, STATES[state]),
        "is_active": state is TokenState.ACTIVE,
        "scopes": [(scope, SCOPE_WORDS.get(scope, "")) for scope in token.scopes],
        "created": labels.moment(token.created_at, now),
        "creator": labels.person(token.created_by),
        "expires_on": token.expires_at and day(token.expires_at),
        "expires": token.expires_at and labels.moment(token.expires_at, now),
        "used": token.last_used_at and labels.moment(token.last_used_at, now),
        "revoked": token.revoked_at and labels.moment(token.revoked_at, now),
        "revoker": labels.person(token.revoked_by),
    }
