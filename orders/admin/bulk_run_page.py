"""The page of one bulk run: its progress, the outcome of each order, its report, and its buttons."""

from typing import Any

from bson import ObjectId
from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin import badges, bulk_labels
from orders.admin.page_bases import ReadOnly, only_read
from orders.admin.posted import only_posted
from orders.admin.staff_actions import actor_of, why_not
from orders.models import BulkRun, BulkState, OrderOutcome
from orders.services import bulk, order_queries
from orders.services.errors import OrderError
from orders.services.identifiers import object_id

PAGE = 50
STEPS = {"cancel": bulk.cancel_run, "pause": bulk.pause_run, "resume": bulk.resume_run}
STEPPED = {
    "cancel": gettext_lazy("Run cancelled."),
    "pause": gettext_lazy("Run paused."),
    "resume": gettext_lazy("Run resumed."),
}


class BulkRunPage(ReadOnly):
    """A run can be viewed, paused, resumed and cancelled, but not edited."""

    def get_urls(self) -> list[URLPattern]:
        protect = self.admin_site.admin_view
        return [
            path("<str:run_id>/steer/", protect(only_posted(self.steer_view)), name="orders_bulkrun_steer"),
            path("<str:run_id>/progress.json", protect(self.progress_view), name="orders_bulkrun_progress"),
            path("<str:run_id>/report.csv", protect(self.report_view), name="orders_bulkrun_report"),
            *super().get_urls(),
        ]

    @only_read
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self._run(request, object_id)
        context = {
            **bulk_labels.progress(run, timezone.now()),
            "title": bulk_labels.title(run),
            "opts": self.opts,
            "object": run,
            "steps": steps_for(request, run),
            "selection": bulk_labels.selection(run.selection, named=True),
            "who": bulk_labels.started_by(run),
            **self._results(request, run),
            **(extra_context or {}),
        }
        return self.answer(request, "run", context)

    @only_read
    def progress_view(self, request: HttpRequest, run_id: str) -> JsonResponse:
        """A run's progress: its figures, and the part of its page that shows them."""
        run = self._run(request, run_id)
        shown = render_to_string(
            "admin/orders/bulkrun/progress.html", bulk_labels.progress(run, timezone.now()), request
        )
        figures = {name: getattr(run, name) for name in ("state", "total", "done", "already", "refused", "failed")}
        return JsonResponse({**figures, "over": run.is_over, "html": shown})

    @only_read
    def report_view(self, request: HttpRequest, run_id: str) -> StreamingHttpResponse:
        """Every order of a run with its result, as CSV, streamed."""
        run = self._run(request, run_id)
        name = f'attachment; filename="run-{run.pk}.csv"'
        return StreamingHttpResponse(
            bulk.report_csv(run.pk), content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
        )

    def steer_view(self, request: HttpRequest, run_id: str) -> HttpResponse:
        """POST `step` (cancel, pause or resume), and go back to the run."""
        run, step = self._run(request, run_id), request.POST.get("step", "")
        try:
            if step not in STEPS:
                raise OrderError(_("Unknown action."))
            STEPS[step](run_id=run.pk, actor=actor_of(request))
            self.message_user(request, str(STEPPED[step]), messages.SUCCESS)
        except OrderError as error:
            self.message_user(request, why_not(error), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:orders_bulkrun_change", args=[run.pk]))

    def _run(self, request: HttpRequest, run_id: str) -> BulkRun:
        self.require_view(request)
        found = object_id(run_id)
        if found is None:
            raise Http404(_("%(id)s is not a run id.") % {"id": run_id})
        try:
            return bulk.get_run(found)
        except bulk.RunNotFound as error:
            raise Http404(error.detail) from error

    def _results(self, request: HttpRequest, run: BulkRun) -> dict[str, Any]:
        """One page of results: by default those with problems, or all if there are none."""
        shown = request.GET.get("show", "problems" if run.refused + run.failed else "all")
        after = request.GET.get("after", "")
        if shown not in bulk.FILTERS or (after and not bulk.is_position(after)):
            messages.warning(request, _("That page link is not valid; showing the first page."))
            shown, after = shown if shown in bulk.FILTERS else "all", ""
        page = bulk.results_page(run, show=shown, after=after, limit=PAGE)
        may_see = actor_of(request).sees_all
        ids = [ObjectId(result.order_id) for result in page.results if result.number] if may_see else []
        customers = {str(order_id): name for order_id, name in order_queries.customers_of(ids).items()}
        return {
            "results": [
                (
                    result,
                    badges.of(OrderOutcome(result.result)),
                    bulk_labels.reason(result),
                    customers.get(result.order_id, ""),
                )
                for result in page.results
            ],
            "tabs": [(name, title, name == shown) for name, title in bulk_labels.tabs(run)],
            "shown": shown,
            "began": not after,
            "next": page.next,
        }


def steps_for(request: HttpRequest, run: BulkRun) -> list[tuple[str, str]]:
    """The buttons that the reader may press, with their labels."""
    if run.is_over or not actor_of(request).may_bulk(run.transition):
        return []
    paused = run.state == BulkState.PAUSED
    steps = [("resume", _("Resume"))] if paused or not run.for_worker else []
    return [*steps, *([] if paused else [("pause", _("Pause"))]), ("cancel", _("Cancel remaining"))]
