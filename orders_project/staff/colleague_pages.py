"""Pages for whoever manages colleagues: who there is, adding one, and what can be done for one."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from orders.admin.posted import INCOMPLETE, only_posted
from orders.services.identifiers import object_id
from orders_project.models import SecondFactor
from orders_project.staff import colleagues as services
from orders_project.staff import sign_ins
from orders_project.staff.rights import MANAGE, Deed, may, roles_to_give, signs_on
from orders_project.staff.showing import answer, deeds, people, role_of, sessions, state_of

MOST = 500
"""Colleagues in the list, by user name."""
TEXTS = ("username", "name", "email", "subject")


@require_safe
def colleagues(request: HttpRequest) -> HttpResponse:
    manager = _manager(request)
    found = people(User.objects.order_by("username")[:MOST])
    for row in found:  # of the others, their page says whether the manager has all of their rights
        row["within_reach"] = manager.is_superuser or not row["user"].is_superuser
    return answer(request, "colleagues", {"title": _("Colleagues"), "rows": found, "me": manager.pk})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("link")
def add(request: HttpRequest) -> HttpResponse:
    """GET the form; POST it: add a colleague, and show the link by which they set their password, this once."""
    manager, errors = _manager(request), {}
    typed = {name: request.POST.get(name, "").strip() for name in (*TEXTS, "role")}
    if request.method == "POST":
        try:
            added, link = services.add(manager, role=_role(typed["role"]), **{name: typed[name] for name in TEXTS})
        except ValidationError as error:
            errors = error.message_dict
        else:
            return _shown_link(request, added, link, _("%(login)s was added.") % {"login": added.get_username()})
    context = {
        "title": _("Add a colleague"),
        "typed": typed,
        "errors": errors,
        "roles": roles_to_give(manager),
        "local_login": settings.LOCAL_LOGIN,
        "by_provider": bool(settings.OIDC_ISSUER),
    }
    return answer(request, "add", context, 400 if errors else 200)


@require_safe
def colleague(request: HttpRequest, user_id: str) -> HttpResponse:
    manager = _manager(request)
    user = _colleague(user_id)
    if user.pk == manager.pk:
        return HttpResponseRedirect(reverse("admin:account"))
    if not may(Deed.SEE, manager, user):
        raise PermissionDenied(_("This colleague has rights that you do not have, so you cannot manage them."))
    context = {
        "title": user.get_full_name() or user.get_username(),
        "colleague": user,
        "role": role_of(user),
        "state": state_of(user),
        "has_code": SecondFactor.objects.filter(pk=user.pk).exists(),
        "signs_on": signs_on(user),
        "may_reset": settings.LOCAL_LOGIN and may(Deed.RESET_PASSWORD, manager, user),
        "roles": roles_to_give(manager),
        "given": [group.pk for group in user.groups.all()],
        "sessions": sessions(sign_ins.newest(user)),
        "log": deeds(services.done_to(user), *services.DONE),
        "days": settings.STAFF_SIGN_INS_DAYS,
    }
    return answer(request, "colleague", context)


@only_posted
@sensitive_variables("link")
def act(request: HttpRequest, user_id: str) -> HttpResponse:
    """POST `act`, one of :class:`Deed`, and with a change of role `role`."""
    manager, user = _manager(request), _colleague(user_id)
    deed = request.POST.get("act", "")
    if deed == Deed.RESET_PASSWORD:
        link = services.reset_password(manager, user)
        return _shown_link(request, user, link, _("The old password is worth nothing now."))
    told = _do(deed, manager, user, request)
    messages.success(request, told) if told else messages.error(request, INCOMPLETE)
    return HttpResponseRedirect(reverse("admin:colleague", args=[user.pk]))


def _do(deed: str, manager: User, user: User, request: HttpRequest) -> str:
    """:returns: what was done, in words; empty if the form does not say."""
    login = {"login": user.get_username()}
    if deed == Deed.CHANGE_ROLE and (role := _role(request.POST.get("role", ""))):
        services.change_role(manager, user, role)
        return _("%(login)s is %(role)s now.") % {**login, "role": role.name}
    if deed in (Deed.SWITCH_OFF, Deed.SWITCH_ON):
        services.switch(manager, user, on=deed == Deed.SWITCH_ON)
        again, no_longer = _("%(login)s can log in again."), _("%(login)s can no longer log in.")
        return (again if deed == Deed.SWITCH_ON else no_longer) % login
    if deed == Deed.RESET_SECOND_FACTOR:
        services.reset_second_factor(manager, user)
        return _("Two-factor log-in of %(login)s is off.") % login
    if deed == Deed.END_SESSIONS:
        services.end_sessions(manager, user)
        return _("All sessions of %(login)s have been ended.") % login
    return ""


def _shown_link(request: HttpRequest, user: User, path: str, told: str) -> HttpResponse:
    """The page that shows a link, this once."""
    context = {
        "title": user.get_username(),
        "colleague": user,
        "told": told,
        "link": path and request.build_absolute_uri(path),
        "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
    }
    return answer(request, "link", context)


def _manager(request: HttpRequest) -> User:
    """:raises PermissionDenied:"""
    user = cast("User", request.user)
    if not user.has_perm(MANAGE):
        raise PermissionDenied
    return user


def _colleague(given: str) -> User:
    """:raises Http404:"""
    key = object_id(given)
    user = User.objects.filter(pk=key).first() if key else None
    if user is None:
        raise Http404(_("There is no such colleague."))
    return user


def _role(given: str) -> Group | None:
    key = object_id(given)
    return Group.objects.filter(pk=key).first() if key else None
