"""The orders of the list as a CSV file: the same filter, all its pages."""

import logging
from dataclasses import replace

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.list_form import ListForm, read_by
from orders.admin.page_bases import OwnPages
from orders.admin.page_time import page_time
from orders.admin.staff_actions import actor_of
from orders.services.access import NotPermitted
from orders.services.days import local
from orders.services.transfer.exporting import export_orders

logger = logging.getLogger(__name__)


class OrderExport(OwnPages):
    """The list's export, which streams however many orders there are."""

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)
        return [path("export/", export, name="orders_order_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """GET with the list's parameters: the orders as CSV, newest first. What cannot be read leads to the list."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        self.require_view(request)
        form = ListForm(read_by(request.GET, request.user))
        if not form.is_valid():
            return _back_to_the_list(request)
        now = timezone.now()
        actor = actor_of(request)
        try:
            with page_time():
                pieces = export_orders(replace(form.query(now), oldest_first=False), actor=actor, bom=True)
        except NotPermitted as error:
            raise PermissionDenied(error.detail) from error
        except DatabaseError:
            told = _("Nothing was exported: the database did not answer in time.")
            self.message_user(request, told, messages.ERROR)
            return _back_to_the_list(request)
        logger.info("%s exports orders: %s", actor.label, _without_search(request.GET) or "all")
        name = f"orders-{local(now):%Y-%m-%d}.csv"
        return StreamingHttpResponse(
            pieces,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )


def _without_search(query: QueryDict) -> str:
    """The filters as they stand in an address, but for what was searched for: it may be somebody's name."""
    kept = query.copy()
    if kept.get("q"):
        kept["q"] = "…"
    return kept.urlencode(safe="…")


def _back_to_the_list(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('admin:orders_order_changelist')}?{request.GET.urlencode()}")
