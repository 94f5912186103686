"""Who acts in the backoffice (the login, with the permissions of its groups), and what they are told if it fails."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from observability import context
from orders.services import access
from orders.services.access import Actor, NotPermitted
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.fulfilment.parts import InvalidLines
from orders.services.fulfilment.refunding import InvalidRefund
from orders.services.lifecycle.payments import InvalidPayment
from orders.services.lifecycle.tracking import InvalidTracking
from orders.services.lifecycle.versions import StaleOrder

logger = logging.getLogger(__name__)

TOLD_BY_PROBLEMS = (InvalidLines, InvalidRefund, InvalidTracking, InvalidPayment)
"""Errors of which staff are told what is wrong with each field: their forms have no place beside it."""


def actor_of(request: HttpRequest) -> Actor:
    """The staff member who sent a request."""
    actor = access.staff(request.user, request_id=context.request_id.get() or "")
    context.bind(user=actor.label)
    return actor


def reader_of(request: HttpRequest) -> Any:
    """The id of the login that a page is shown to."""
    return request.user.pk


def act_of(request: HttpRequest, reason: str = "") -> Act:
    """What a staff member does now."""
    return Act(actor_of(request), timezone.now(), reason)


def act_posted(request: HttpRequest) -> Act:
    """What a staff member does with a form, for its `reason` and `reason_code`.

    :raises InvalidReason, ReasonMissing:
    """
    reason, code = request.POST.get("reason", "").strip(), request.POST.get("reason_code", "")
    return Act(actor_of(request), timezone.now(), reason, code)


def why_not(error: OrderError | DatabaseError, look: str = "") -> str:
    """What staff are told of a change that failed.

    :param look: how they learn whether it was made, where the database did not say so, as a request to them; whether
        the order has changed unless given.
    :raises PermissionDenied: they may not make it.
    """
    if isinstance(error, NotPermitted):
        raise PermissionDenied(error.detail) from error
    if isinstance(error, StaleOrder):
        return _("Someone updated this order. Your change was not saved.")
    if isinstance(error, OrderError):
        problems = error.members["errors"].values() if isinstance(error, TOLD_BY_PROBLEMS) else [[error.detail]]
        return " ".join([_("Nothing was changed."), *(text for texts in problems for text in texts)])
    logger.warning("the database did not answer the backoffice: %s", error.__cause__ or error)
    # Translators: %(look)s is a request such as “Check whether the order has changed”, without a full stop.
    told = _("The database did not answer in time. %(look)s before trying again.")
    return told % {"look": look or _("Check whether the order has changed")}


def status_of(error: OrderError | DatabaseError) -> HTTPStatus:
    """400 for bad input, which the person can correct; 503 where the database did not answer; 409 for all else.

    After a 409 they look at the order as it is now.
    """
    if isinstance(error, DatabaseError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.BAD_REQUEST if error.kind is RefusalKind.INVALID else HTTPStatus.CONFLICT
