"""The list's actions that print: several orders as one document, of which the address says no more than their ids."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from bson import ObjectId
from django.contrib import messages
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from orders.admin import bulk_selection, printing
from orders.admin.list_form import read_by
from orders.admin.page_bases import OwnPages
from orders.admin.page_time import page_time
from orders.services import order_queries
from orders.services.errors import OrderError

MOST_PRINTED = 50
"""Orders in one document: a page of the list."""


class PrintActions(OwnPages):
    """What whoever may see orders prints of the selected ones, in the order of the list."""

    def get_urls(self) -> list[URLPattern]:
        protect = self.admin_site.admin_view
        prints = [
            path(f"{name}/", protect(self._printing_many(name)), name=f"orders_order_{name}")
            for name in printing.OF_MANY
        ]  # fmt: skip
        return [*prints, *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        prints = {name: (PrintActions.to_print, name, label) for name, (label, _printed) in printing.OF_MANY.items()}
        return {**super().get_actions(request), **prints}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and request.POST.get("action") in printing.OF_MANY:
            return self.to_print(request)
        return super().changelist_view(request, extra_context)

    def to_print(self, request: HttpRequest) -> HttpResponse:
        """POST of the list: go to the printed document, which can be reloaded."""
        self.require_view(request)
        asked = read_by(request.GET, request.user)
        try:
            with page_time():
                ids = _few(bulk_selection.first_of_list(asked, request.POST, MOST_PRINTED))
        except OrderError as error:
            return self._to_list(request, error.detail)
        except DatabaseError:
            return self._to_list(request, _("Nothing was printed: the database did not answer in time."))
        name = request.POST["action"]
        printed = urlencode({"ids": ",".join(map(str, ids))}, safe=",")
        return HttpResponseRedirect(f"{reverse(f'admin:orders_order_{name}')}?{printed}")

    def _printing_many(self, name: str) -> Callable[[HttpRequest], HttpResponse]:
        def view(request: HttpRequest) -> HttpResponse:
            if request.method not in ("GET", "HEAD"):
                return HttpResponseNotAllowed(["GET", "HEAD"])
            self.require_view(request)
            try:
                ids = _few(bulk_selection.keys_of(filter(None, request.GET.get("ids", "").split(","))))
            except OrderError as error:
                return self._to_list(request, error.detail, keep=False)
            found = order_queries.orders_with_ids(ids)
            if not found:
                raise Http404
            _label, printed = printing.OF_MANY[name]
            return printed(request, found, len(ids) - len(found))

        return view

    def _to_list(self, request: HttpRequest, why: str, *, keep: bool = True) -> HttpResponse:
        self.message_user(request, why, messages.ERROR)
        address = reverse("admin:orders_order_changelist")
        return HttpResponseRedirect(f"{address}?{request.GET.urlencode()}" if keep and request.GET else address)


def _few(ids: Sequence[ObjectId]) -> Sequence[ObjectId]:
    """:raises OrderError: there are more than MOST_PRINTED."""
    if len(ids) > MOST_PRINTED:
        raise OrderError(_("Select at most %(count)s orders to print at a time.") % {"count": MOST_PRINTED})
    return ids
