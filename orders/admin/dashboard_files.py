"""The tables of the dashboard as CSV files."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from orders.admin.dashboard_period import SLOW, chosen_period
from orders.admin.dashboard_tables import TABLES
from orders.admin.staff_actions import actor_of
from orders.services.access import NotPermitted
from orders.services.reporting.dashboard_figures import dashboard
from orders.services.transfer.exporting import BOM


class DashboardTables(ModelAdmin):
    """The tables of the dashboard as files."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.figures_view)
        return [path("figures/<str:name>.csv", view, name="orders_order_figures"), *super().get_urls()]

    def figures_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """GET with the dashboard's parameters: a table as CSV. What cannot be read leads to the dashboard."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        chosen, _key, problem = chosen_period(request.GET)
        page = f"{reverse('admin:index')}?{request.GET.urlencode()}"
        try:
            found = dashboard(actor=actor_of(request), period=chosen)
        except NotPermitted as error:
            raise PermissionDenied(error.detail) from error
        except DatabaseError:
            self.message_user(request, SLOW, messages.ERROR)
            return HttpResponseRedirect(page)
        if name not in TABLES:
            raise Http404
        if problem:
            return HttpResponseRedirect(page)
        file = f"{name}-{chosen.first}-{chosen.last}.csv"
        return HttpResponse(
            BOM + TABLES[name](found).csv(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"},
        )
