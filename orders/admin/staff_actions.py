"""Who acts in the backoffice (the login, with the permissions of its groups), and what they are told if it fails."""

import logging
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone

from observability import context
from orders.services import access
from orders.services.access import Actor, NotPermitted
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.fulfilment.parts import InvalidLines
from orders.services.fulfilment.refunding import InvalidRefund
from orders.services.lifecycle.payments import InvalidPayment
from orders.services.lifecycle.tracking import InvalidTracking
from orders.services.lifecycle.versions import StaleOrder
from orders.services.refusals import STATUS

logger = logging.getLogger(__name__)

TOLD_BY_PROBLEMS = (InvalidLines, InvalidRefund, InvalidTracking, InvalidPayment)
"""Errors of which staff are told what is wrong with each field: their forms have no place beside it."""


def actor_of(request: HttpRequest) -> Actor:
    """The staff member who sent a request."""
    actor = access.staff(cast("AbstractUser", request.user), request_id=context.request_id.get() or "")
    context.bind(user=actor.label)
    return actor


def act_of(request: HttpRequest, reason: str = "") -> Act:
    """What a staff member does now."""
    return Act(actor_of(request), timezone.now(), reason)


def act_posted(request: HttpRequest) -> Act:
    """What a staff member does with a form, for its `reason` and `reason_code`.

    :raises InvalidReason, ReasonMissing:
    """
    act = act_of(request, request.POST.get("reason", "").strip())
    return replace(act, code=request.POST.get("reason_code", ""))


def why_not(error: OrderError | DatabaseError, look: str = "Check whether the order has changed") -> str:
    """What staff are told of a change that failed.

    :param look: how they learn whether it was made, where the database did not say so.
    :raises PermissionDenied: they may not make it.
    """
    if isinstance(error, NotPermitted):
        raise PermissionDenied(error.detail) from error
    if isinstance(error, StaleOrder):
        return "Someone updated this order. Your change was not saved."
    if isinstance(error, TOLD_BY_PROBLEMS):
        return f"Nothing was changed. {' '.join(text for texts in error.members['errors'].values() for text in texts)}"
    if isinstance(error, OrderError):
        return f"Nothing was changed. {error.detail}"
    logger.warning("the database did not answer the backoffice: %s", error.__cause__ or error)
    return f"The database did not answer in time. {look} before trying again."


def status_of(error: OrderError) -> HTTPStatus:
    """400 for bad input, which the person can correct; 409 for all else: they look at the order as it is now."""
    return HTTPStatus.BAD_REQUEST if STATUS[type(error)] is HTTPStatus.BAD_REQUEST else HTTPStatus.CONFLICT
