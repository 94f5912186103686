"""The addresses of the sign-on, and the page that says why somebody does not get in."""

import logging
import math
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from orders.api.client_address import client_address
from orders.services import rate_limits
from orders.services.text_rules import cleaned, one_line
from orders_project.sign_on import SignOnRefused, expired

logger = logging.getLogger(__name__)


@require_GET
@never_cache
def sign_on(request: HttpRequest) -> HttpResponse:
    """Send somebody to the provider."""
    return _answer(request, "SignOn")


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Log in whom the provider sends back."""
    return _answer(request, "Callback")


def _answer(request: HttpRequest, view: str) -> HttpResponse:
    if not settings.OIDC_ISSUER:
        raise Http404
    from orders_project.sign_on import client  # and with it the library, which is not needed else

    allowance = rate_limits.spend("sign-on", client_address(request), limit=settings.RATE_LIMIT_SIGN_ONS)
    if allowance is not None and allowance.wait:
        return refuse(request, _too_many(), wait=math.ceil(allowance.wait))
    try:
        answer: HttpResponse = getattr(client, view).as_view()(request)
    except SignOnRefused as refused:
        return refuse(request, refused)
    except SuspiciousOperation:  # a state that is not this session's
        return refuse(request, expired())
    return answer


def refuse(request: HttpRequest, refused: SignOnRefused, *, wait: int = 0) -> HttpResponse:
    """The page that says why somebody does not get in.

    :param wait: seconds after which to try again.
    """
    logger.warning("log-in refused: %s", one_line(cleaned(refused.why)))
    context = admin.site.each_context(request) | {"title": _("Log in"), "refused": refused, **choices(request)}
    headers = {"Retry-After": str(wait)} if wait else {}
    page = TemplateResponse(request, "admin/sign_on/refused.html", context, status=refused.status, headers=headers)
    return page.render()


def choices(request: HttpRequest) -> dict[str, Any]:
    """What templates need to offer the ways to log in that the settings leave."""
    query = {"next": request.GET["next"]} if "next" in request.GET else {}
    return {
        "local_login": settings.LOCAL_LOGIN,
        "sign_on_label": settings.OIDC_LABEL if settings.OIDC_ISSUER else "",
        "sign_on_url": f"{reverse('admin:sign_on')}?{urlencode(query)}".removesuffix("?"),
    }


def only_sign_on() -> SignOnRefused:
    return SignOnRefused(_("Passwords are not accepted here. Use single sign-on."), why="LOCAL_LOGIN is false")


def _too_many() -> SignOnRefused:
    told = _("Too many log-ins from this address. Try again in a minute.")
    return SignOnRefused(told, why="more than RATE_LIMIT_SIGN_ONS", status=429)
