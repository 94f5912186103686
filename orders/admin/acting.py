"""Who acts in the backoffice: the login, with the permissions of its groups."""

from typing import cast

from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest
from django.utils import timezone

from integrations.http import request_id
from orders.services import access
from orders.services.access import Actor
from orders.services.acts import Act


def actor_of(request: HttpRequest) -> Actor:
    """The staff member who sent a request."""
    return access.staff(cast("AbstractUser", request.user), request_id=request_id.get() or "")


def act_of(request: HttpRequest, reason: str = "") -> Act:
    """What a staff member does now."""
    return Act(actor_of(request), timezone.now(), reason)
