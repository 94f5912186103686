"""Who acts in the backoffice: the login, with the permissions of its groups."""

from typing import cast

from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest
from django.utils import timezone

from observability import context
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act


def actor_of(request: HttpRequest) -> Actor:
    """The staff member who sent a request."""
    actor = access.staff(cast("AbstractUser", request.user), request_id=context.request_id.get() or "")
    context.bind(user=actor.label)
    return actor


def act_of(request: HttpRequest, reason: str = "") -> Act:
    """What a staff member does now."""
    return Act(actor_of(request), timezone.now(), reason)
