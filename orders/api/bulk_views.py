"""Transitions of many orders over the API, for admins: started here, carried out by the workers."""

from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import status as http
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api import parameters
from orders.api.bulk_serializers import BulkTransitionSerializer, PlanSerializer, ResultsParameters, RunSerializer
from orders.api.operations import ALWAYS, ONE_RUN, RUN_ID, RUN_KEY, STEERED, UNSURE, operation, problems
from orders.api.presentation import present_plan, present_result, present_run
from orders.api.viewsets import LimitedViewSet, act_of, caller, expect_nothing, link_next_page
from orders.models import BulkRun
from orders.services import bulk


@extend_schema(tags=["bulk transitions"])
class BulkTransitionViewSet(LimitedViewSet):
    """Runs over many orders."""

    @operation(
        operation_id="start_bulk_transition",
        request=BulkTransitionSerializer,
        parameters=[RUN_KEY],
        responses={
            200: PlanSerializer,
            202: RunSerializer,
            **problems(
                e400="Malformed, or nothing says which orders; `errors` names fields.",
                e403="The caller is not an admin.",
                e413="The body is too large.",
                e422="The key was used for another run.",
            ),
            **ALWAYS,
            **UNSURE,
        },
    )
    def create(self, request: Request) -> Response:
        """Make one transition of many orders: 202 with the run, which goes on by itself; 200 with `dry_run`."""
        actor = caller(request)
        actor.require_seeing_runs()
        key = parameters.idempotency_key(request)
        serializer = BulkTransitionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given, selection = serializer.validated_data, serializer.selection()
        act = replace(act_of(request, given["reason"]), code=given.get("reason_code", ""))
        if given["dry_run"]:
            within = settings.REQUEST_DEADLINE
            plan = bulk.plan(selection=selection, transition=given["transition"], actor=actor, seconds=within)
            return Response(present_plan(plan, given["transition"]))
        run = bulk.start_run(
            selection=selection,
            transition=given["transition"],
            act=act,
            run_id=bulk.run_id_for(actor=actor, key=key) if key is not None else None,
        )
        return _accepted(run)

    @operation(
        operation_id="get_bulk_transition",
        parameters=[RUN_ID, ResultsParameters],
        responses={200: RunSerializer, **ONE_RUN},
    )
    def retrieve(self, request: Request, run_id: str) -> Response:
        """How far a run is, and what it could not do, in the run's order. `Link` leads to the next page."""
        run = _visible(request, run_id)
        given = parameters.read(ResultsParameters, request)
        page = bulk.results_page(run, show=given["result"], after=given.get("cursor", ""), limit=given["limit"])
        response = Response(present_run(run) | {"results": [present_result(result) for result in page.results]})
        if page.next:
            link_next_page(response, request, page.next)
        return response

    @operation(operation_id="cancel_bulk_transition", request=None, parameters=[RUN_ID], responses=STEERED)
    def cancel(self, request: Request, run_id: str) -> Response:
        """Call off what a run has not done yet. What it has done stays."""
        return _steer(request, run_id, bulk.cancel_run)

    @operation(operation_id="pause_bulk_transition", request=None, parameters=[RUN_ID], responses=STEERED)
    def pause(self, request: Request, run_id: str) -> Response:
        """Have a run wait until somebody resumes it."""
        return _steer(request, run_id, bulk.pause_run)

    @operation(operation_id="resume_bulk_transition", request=None, parameters=[RUN_ID], responses=STEERED)
    def resume(self, request: Request, run_id: str) -> Response:
        """Have a paused run go on at once."""
        return _steer(request, run_id, bulk.resume_run)


def _visible(request: Request, text: str) -> BulkRun:
    caller(request).require_seeing_runs()
    return bulk.get_run(parameters.order_id(text, "run_id"))


def _steer(request: Request, text: str, step: Callable[..., BulkRun]) -> Response:
    expect_nothing(request)
    run = _visible(request, text)
    return _accepted(step(run_id=run.pk, actor=caller(request)))


def _accepted(run: BulkRun) -> Response:
    address = f"{settings.API_PREFIX}/orders/bulk-transitions/{run.pk}"
    return Response(present_run(run), status=http.HTTP_202_ACCEPTED, headers={"Location": address})
