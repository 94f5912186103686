"""The list of bulk runs in the backoffice; the page of one is in `bulk_run_page`."""

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.paginator import InfinitePaginator

from orders.admin import badges, bulk_labels, labels
from orders.admin.bulk_run_page import BulkRunPage
from orders.admin.list_columns import ago
from orders.admin.local_formats import count
from orders.models import BulkRun, BulkState
from orders.services.identifiers import object_id


@admin.register(BulkRun)
class BulkRunAdmin(BulkRunPage):
    """Staff see every run; those who may make its transition can pause, resume and cancel it."""

    list_display = ("what", "status", "progress", "selected_orders", "who", "started")
    list_display_links = ("what",)
    ordering = ("-created_at", "-pk")
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = gettext_lazy("Run id, as shown in an order's timeline")
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = InfinitePaginator  # never counts them
    actions = None
    list_fullwidth = True
    change_list_template = "admin/orders/bulkrun/change_list.html"

    class Media:
        css = {"all": ["orders/bulk.css"]}

    @admin.display(description=gettext_lazy("run"))
    def what(self, run: BulkRun) -> str:
        return bulk_labels.title(run)

    @admin.display(description=pgettext_lazy("bulk run", "state"))
    def status(self, run: BulkRun) -> SafeString:
        return badges.of(BulkState(run.state))

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, run: BulkRun) -> str:
        problems = run.refused + run.failed
        told = {"finished": count(run.finished), "total": count(run.total), "problems": count(problems)}
        if problems:
            return _("%(finished)s of %(total)s, %(problems)s skipped or failed") % told
        return _("%(finished)s of %(total)s") % told

    @admin.display(description=gettext_lazy("orders"))
    def selected_orders(self, run: BulkRun) -> str:
        return bulk_labels.selection(run.selection)

    @admin.display(description=gettext_lazy("by"))
    def who(self, run: BulkRun) -> str:
        return labels.person(run.actor)

    @admin.display(description=gettext_lazy("started"))
    def started(self, run: BulkRun) -> SafeString:
        return ago(run.created_at, timezone.now())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[BulkRun], search_term: str
    ) -> tuple[QuerySet[BulkRun], bool]:
        if not search_term.strip():
            return queryset, False
        if (run_id := object_id(search_term)) is None:
            self.message_user(request, _("A run id has 24 hexadecimal digits."), messages.WARNING)
            return queryset.none(), False
        return queryset.filter(pk=run_id), False
