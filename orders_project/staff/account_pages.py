"""One's own account: sessions, and setting up the second factor."""

from typing import Any, cast

import segno
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from orders.admin.posted import INCOMPLETE, only_posted
from orders_project.log_ins import reauthenticated
from orders_project.models import SecondFactor, SignIn
from orders_project.staff import second_factor, sign_ins
from orders_project.staff.code_step import wrong_code
from orders_project.staff.log_in import locked
from orders_project.staff.showing import answer, sessions

NEW_SECRET = "new_second_factor"  # noqa: S105 - where a session keeps it


@require_safe
def security(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    context = {
        "title": _("Sessions and security"),
        "sessions": sessions(sign_ins.newest(user), sign_ins.current(request)),
        "factor": SecondFactor.objects.filter(pk=user.pk).first(),
        "recovery_codes": second_factor.recovery_codes_left(user),
        "is_offered": second_factor.is_offered(),
        "by_password": user.has_usable_password(),
    }
    return answer(request, "security", context)


def act(request: HttpRequest) -> HttpResponse:
    """POST `act`: `end` a session (`sign_in`), `end_others`; with a `code`, `off` or `recovery_codes`."""
    user, deed = _user(request), request.POST.get("act", "")
    back = HttpResponseRedirect(reverse("admin:account"))
    if deed in ("end", "end_others"):
        _end(request, user, request.POST.get("sign_in", "-") if deed == "end" else "")
        return back
    if deed not in ("off", "recovery_codes"):
        messages.error(request, INCOMPLETE)
        return back
    try:
        way = second_factor.take(user, request.POST.get("code", ""))
    except second_factor.TooManyCodes as too_many:
        return locked(request, too_many.wait)
    if not way:
        messages.error(request, wrong_code())
        return back
    if deed == "recovery_codes":
        return _shown_codes(request, second_factor.renew_recovery_codes(user))
    second_factor.remove(user)
    sign_ins.end_all(user, by=user, but=sign_ins.current(request))
    _came_by(request, SignIn.Way.PASSWORD)
    messages.success(request, _("Two-factor log-in is off."))
    return back


act = only_posted(act)
act.form_beside = "security/"  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret", "codes")
def two_factor(request: HttpRequest) -> HttpResponse:
    """GET the code to scan; POST `password` and a `code` of it: turn it on, and show the recovery codes, this once.

    Without the password, whoever has got hold of a session could keep its owner out.
    """
    user = _user(request)
    may_see_others = admin.site.has_permission(request)
    if second_factor.is_asked_of(user) and not may_see_others:  # they came in while it was switched off
        sign_ins.end(sign_ins.open_ones(user), by=user)
        return HttpResponseRedirect(reverse("admin:login"))
    if not second_factor.is_offered() or second_factor.is_asked_of(user) or not user.has_usable_password():
        return HttpResponseRedirect(reverse("admin:account"))
    secret = request.session.setdefault(NEW_SECRET, second_factor.new_secret())
    problem = wrong_password = ""
    if request.method == "POST":
        if not reauthenticated(user, request.POST.get("password", ""), request):
            wrong_password = _("This is not your password.")
        elif codes := second_factor.set_up(user, secret, request.POST.get("code", "")):
            del request.session[NEW_SECRET]
            sign_ins.end_all(user, by=user, but=sign_ins.current(request))
            _came_by(request, SignIn.Way.CODE)
            return _shown_codes(request, codes)
        else:
            problem = _(
                "This is not the code of the app. Check that you scanned the code on this page, and enter the next one."
            )
    context = {
        "title": _("Set up two-factor log-in"),
        "picture": _picture(second_factor.address_of(secret, user)),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "problem": problem,
        "wrong_password": wrong_password,
        "is_missing": not may_see_others,
    }
    return answer(request, "two_factor", context)


def _end(request: HttpRequest, user: User, which: str) -> None:
    """End one of one's own sessions, or all others."""
    if which:
        if sign_ins.end([each for each in sign_ins.open_ones(user) if str(each.pk) == which], by=user):
            messages.success(request, _("The session has been ended."))
        else:
            messages.warning(request, _("This session is over already."))
    else:
        sign_ins.end_all(user, by=user, but=sign_ins.current(request))
        messages.success(request, _("All other sessions have been ended."))


def _came_by(request: HttpRequest, way: SignIn.Way) -> None:
    """What this session is worth from now on."""
    sign_in = sign_ins.current(request)
    if sign_in is not None and sign_in.way != SignIn.Way.PROVIDER:
        sign_in.way = way
        SignIn.objects.filter(pk=sign_in.pk).update(way=way)


def _shown_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return answer(request, "recovery_codes", {"title": _("Recovery codes"), "codes": codes})


def _picture(text: str) -> Any:
    return mark_safe(segno.make_qr(text).svg_inline(omitsize=True))  # noqa: S308 - lines only, none of the text


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)
