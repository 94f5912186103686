"""A service token as its pages tell of it, and the fields of the form of a new one."""

from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import pgettext_lazy

from orders.admin import badges, labels
from orders.admin.local_formats import day
from orders.models import ServiceToken
from orders.services import service_tokens
from orders.services.access import SCOPE_WORDS, Actor
from orders.services.service_tokens import TokenState

STATES = {
    TokenState.ACTIVE: pgettext_lazy("service token", "Active"),
    TokenState.EXPIRED: pgettext_lazy("service token", "Expired"),
    TokenState.REVOKED: pgettext_lazy("service token", "Revoked"),
}


def facts(token: ServiceToken) -> dict[str, Any]:
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


def fields(post: QueryDict, actor: Actor) -> dict[str, Any]:
    """What the form shows: the scopes that this person may give, and what was typed."""
    chosen = post.getlist("scopes")
    scopes = [(scope, SCOPE_WORDS[scope], scope in chosen) for scope in service_tokens.scopes_to_give(actor)]
    longest = {"longest_name": service_tokens.LONGEST_NAME, "longest_life": service_tokens.LONGEST_LIFE}
    return {"name": post.get("name", ""), "days": post.get("days", ""), "scopes": scopes, **longest}
