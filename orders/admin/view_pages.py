"""Saved views of the list: keeping one, the page on which they are renamed and deleted, and the choice of columns."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.list_form import AFTER, BEFORE, ListForm, read_by, unknown_in
from orders.admin.page_bases import OwnPages, read_or_posted
from orders.admin.staff_actions import actor_of, reader_of, status_of, why_not
from orders.services import saved_views
from orders.services.access import SHARE_VIEWS
from orders.services.errors import OrderError
from orders.services.identifiers import object_id

OF_THE_LIST = ("save", "columns")
"""What is posted from the list."""


class ViewPages(OwnPages):
    """The saved views' part of the backoffice's order pages; each person's are their own."""

    def get_urls(self) -> list[URLPattern]:
        views = path("views/", self.admin_site.admin_view(self.views_view), name="orders_order_views")
        return [views, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Where the list's own forms post to: so whoever has to log in first comes back to the list as it was."""
        if request.method == "POST" and request.POST.get("act") in OF_THE_LIST:
            return self.views_view(request)
        return super().changelist_view(request, extra_context)

    @read_or_posted
    def views_view(self, request: HttpRequest) -> HttpResponse:
        """GET the reader's views; POST `act`: `save`, `columns`, `change` or `delete`."""
        self.require_view(request)
        if request.method != "POST":
            return self._views(request)
        acts = {"save": _save, "columns": _columns, "change": _change, "delete": _delete}
        try:
            act = acts.get(request.POST.get("act", ""))
            if act is None:
                raise OrderError(_("Unknown action."))
            told, then = act(request)
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error, _("Check whether it is among your views")), messages.ERROR)
            return self._views(request, status_of(error))
        self.message_user(request, told, messages.SUCCESS)
        return HttpResponseRedirect(then)

    def _views(self, request: HttpRequest, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
        """The page; with the form again whose view could not be saved."""
        actor, reader = actor_of(request), reader_of(request)
        views = saved_views.views_for(reader)
        names = User.objects.in_bulk({view.owner_id for view in views if view.owner_id != reader})
        context = {
            "opts": self.opts,
            "title": _("Saved views"),
            "rows": [
                {
                    "view": view,
                    "owner": names[view.owner_id].get_username() if view.owner_id in names else "",
                    "may_change": saved_views.may_change(view, actor, reader),
                }
                for view in views
            ],
            "most": saved_views.MOST_VIEWS,
            "longest": saved_views.LONGEST_NAME,
            "may_share": actor.has(SHARE_VIEWS),
            "unsaved": request.POST if request.POST.get("act") == "save" else None,
        }
        return self.answer(request, "views", context, status)


def _save(request: HttpRequest) -> tuple[str, str]:
    """Keep the list that the form names: what cannot be read is no view."""
    asked = QueryDict(request.POST.get("query", ""), mutable=True)
    for place in (AFTER, BEFORE):
        asked.pop(place, None)
    form = ListForm(read_by(asked, request.user))
    if unknown_in(asked) or not form.is_valid():
        raise OrderError(_("This filter is not valid, and cannot be saved."))
    view = saved_views.save(
        name=request.POST.get("name", ""), query=asked.urlencode(), shared=_is_shared(request),
        actor=actor_of(request), owner=reader_of(request), at=timezone.now(),
    )  # fmt: skip
    return _("View “%(name)s” saved.") % {"name": view.name}, _list(view.query)


def _columns(request: HttpRequest) -> tuple[str, str]:
    """Keep the columns that were ticked, and go back to the list with them; `reset` asks for the usual ones again."""
    asked = QueryDict(request.POST.get("query", ""), mutable=True)
    asked.pop("columns", None)
    form = ListForm({"columns": [] if "reset" in request.POST else request.POST.getlist("columns")})
    if not form.is_valid():
        raise OrderError(_("There is no such column."))
    saved_views.choose_columns(form.cleaned_data["columns"], user=reader_of(request))
    return _("Columns changed."), _list("" if unknown_in(asked) else asked.urlencode())


def _change(request: HttpRequest) -> tuple[str, str]:
    view = saved_views.change(
        _view_id(request), name=request.POST.get("name", ""), shared=_is_shared(request),
        actor=actor_of(request), owner=reader_of(request),
    )  # fmt: skip
    return _("View “%(name)s” saved.") % {"name": view.name}, reverse("admin:orders_order_views")


def _delete(request: HttpRequest) -> tuple[str, str]:
    view = saved_views.delete(_view_id(request), actor=actor_of(request), owner=reader_of(request))
    return _("View “%(name)s” deleted.") % {"name": view.name}, reverse("admin:orders_order_views")


def _is_shared(request: HttpRequest) -> bool:
    return "shared" in request.POST


def _view_id(request: HttpRequest) -> Any:
    found = object_id(request.POST.get("view", ""))
    if found is None:
        raise OrderError(_("Choose a view."))
    return found


def _list(query: str) -> str:
    address = reverse("admin:orders_order_changelist")
    return f"{address}?{query}" if query else address
