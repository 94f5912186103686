"""The endpoints of an order's status: the change of it, what the order can become now, and how it came about."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api import parameters
from orders.api.operations import (
    CHANGE_KEY,
    IF_MATCH,
    ONE_ORDER,
    ORDER_ID,
    UNSURE,
    operation,
    problems,
)
from orders.api.part_serializers import StatusSerializer, payment_of, tracking_of
from orders.api.presentation import present_history, present_transition
from orders.api.serializers import HistoryEntrySerializer, OrderSerializer, TransitionSerializer
from orders.api.viewsets import LimitedViewSet, act_of, caller, change_of, changed_response, given_of
from orders.services import order_queries
from orders.services.access import visible
from orders.services.lifecycle import effects, transitions


@extend_schema(tags=["orders"])
class StatusViewSet(LimitedViewSet):
    """The status of an order, its transitions and its history."""

    @operation(
        operation_id="change_order_status",
        request=StatusSerializer,
        parameters=[ORDER_ID, IF_MATCH, CHANGE_KEY],
        responses={
            200: OrderSerializer,
            **ONE_ORDER,
            **UNSURE,
            **problems(
                e400="Not an ObjectId, or malformed; `errors` names fields.",
                e403="The caller may not make this change.",
                e409="The order cannot change to this status; `allowed` says to which it can; or a payment is too low.",
                e412="The order has changed; `changes` says how and by whom.",
                e422="The key made another change of this order before.",
            ),
        },
    )
    def status(self, request: Request, order_id: str) -> HttpResponse:
        """Change the status. Cancelling and refunding release what is still reserved."""
        deadline, change = parameters.deadline(request), change_of(request, order_id)
        given = given_of(StatusSerializer, request)
        changed = transitions.change_status_to(
            status=given["status"],
            act=act_of(request, given["reason"], given.get("reason_code", "")),
            payment=payment_of(given["payment"]) if "payment" in given else None,
            tracking=tracking_of(given["shipment"]) if "shipment" in given else None,
            deadline=deadline,
            **change,
        )
        return changed_response(changed)

    @operation(
        operation_id="get_order_history",
        parameters=[ORDER_ID],
        responses={200: HistoryEntrySerializer(many=True), **ONE_ORDER},
    )
    def history(self, request: Request, order_id: str) -> Response:
        """Who did what to the order, oldest first, as far as the caller may know."""
        actor = caller(request)
        order = visible(order_queries.get_history(parameters.order_id(order_id), sees=actor.sees), order_id, actor)
        return Response(present_history(order, actor))

    @operation(
        operation_id="list_order_transitions",
        parameters=[ORDER_ID],
        responses={200: TransitionSerializer(many=True), **ONE_ORDER},
    )
    def transitions(self, request: Request, order_id: str) -> Response:
        """What this caller may do with the order now, and what each would cause.

        What a hold or a first parcel stands against is left out.
        """
        found = effects.possible_transitions(order_id=parameters.order_id(order_id), actor=caller(request))
        return Response([present_transition(edge, effect) for edge, effect in found])
