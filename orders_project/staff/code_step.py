"""The second step of a log-in, for whoever has a second factor: the code that is asked for after the password."""

import logging
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.widgets import BASE_INPUT_CLASSES

from orders_project.models import SignIn
from orders_project.staff import second_factor, sign_ins
from orders_project.staff.log_in import WAITING, locked

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask_for_code(request: HttpRequest) -> HttpResponse:
    """The second step of a log-in: GET the form; POST `code`."""
    waiting, user = _waiting(request)
    if user is None:
        return HttpResponseRedirect(reverse("admin:login"))
    problem = ""
    if request.method == "POST":
        try:
            way = second_factor.take(user, request.POST.get("code", ""))
        except second_factor.TooManyCodes as too_many:
            return locked(request, too_many.wait)
        if way:
            return _let_in(request, user, waiting, way)
        logger.warning("log-in refused: a wrong code of %s", user.get_username())
        problem = wrong_code()
    context = admin.site.each_context(request) | {"title": _("Enter the code"), "problem": problem}
    return TemplateResponse(request, "admin/staff/code.html", context | {"input_class": " ".join(BASE_INPUT_CLASSES)})


def wrong_code() -> str:
    return _("This code is wrong, out of date or already used. Wait for the next one, and enter that.")


def _waiting(request: HttpRequest) -> tuple[dict[str, Any], User | None]:
    """What the session says of a log-in that waits for its code, and whose it is, unless the password has changed."""
    waiting = request.session.get(WAITING, {})
    if not waiting or waiting["until"] < timezone.now().timestamp():
        return {}, None
    user = User.objects.filter(pk=waiting["user"], is_active=True, is_staff=True).first()
    if user is None or not constant_time_compare(waiting["hash"], user.get_session_auth_hash()):
        return {}, None
    return waiting, user


def _let_in(request: HttpRequest, user: User, waiting: dict[str, Any], way: Any) -> HttpResponse:
    del request.session[WAITING]
    setattr(request, sign_ins.WAY, way)
    login(request, user, backend=waiting["backend"])
    if way == SignIn.Way.RECOVERY:
        left = second_factor.recovery_codes_left(user)
        told = ngettext("%(left)d recovery code is left.", "%(left)d recovery codes are left.", left)
        messages.warning(request, told % {"left": left})
    return HttpResponseRedirect(waiting["next"])
