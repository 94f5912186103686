"""The endpoints of the storefront API: parse, call one service, present."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import status as http
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api import parameters
from orders.api.operations import (
    ALWAYS,
    CHANGE_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    KNOWN,
    NOT_LET_IN,
    ONE_ORDER,
    ORDER_ID,
    PLACEMENT_KEY,
    TOO_MANY,
    UNSURE,
    USER_ID_OF_PATH,
    operation,
    problems,
)
from orders.api.parameters import SORTS, Cursor, OrdersParameters, UserOrdersParameters
from orders.api.part_serializers import StatusSerializer, payment_of, tracking_of
from orders.api.presentation import present_history, present_transition
from orders.api.rendering import answer
from orders.api.serializers import (
    HistoryEntrySerializer,
    OrderSerializer,
    PlaceOrderSerializer,
    TransitionSerializer,
)
from orders.api.viewsets import (
    LimitedViewSet,
    act_of,
    caller,
    change_of,
    changed_response,
    expect_nothing,
    link_next_page,
    marked,
    order_response,
    unless_known,
)
from orders.models import Status
from orders.services import order_queries
from orders.services.access import visible
from orders.services.lifecycle import effects, placement, transitions
from orders.services.order_queries import OrderQuery
from orders.services.public_order import public_order
from orders.services.searching import meanings_of, searched_in_time

TOO_MANY_TO_SORT = "Too many orders to sort by total. Add a filter, or give a span of days."


@extend_schema(tags=["orders"])
class OrderViewSet(LimitedViewSet):
    """Orders."""

    @operation(
        operation_id="place_order",
        request=PlaceOrderSerializer,
        parameters=[PLACEMENT_KEY],
        responses={
            201: OrderSerializer,
            **problems(
                e400="Malformed, beyond a limit, or an unknown user or product; `errors` names fields and lines.",
                e401=NOT_LET_IN,
                e403="An order in another's name.",
                e409="A price has changed, stock is too low, the customer has too many unpaid orders, or a request "
                "with this key is under way.",
                e413="The body is too large.",
                e422="The key was used for another request.",
                e503="`peer_unavailable`, `database_unavailable`, `placement_interrupted`: no order was placed. "
                "`outcome_unknown`: the database did not answer, and the order may have been placed; send the same "
                "again with the same key, which finds out.",
            ),
            **TOO_MANY,
        },
    )
    def create(self, request: Request) -> HttpResponse:
        """Place an order: verified with the user, product and inventory services, its stock reserved."""
        deadline = parameters.deadline(request)
        key = parameters.placement_key(request)
        serializer = PlaceOrderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        placed = placement.place_order(
            **serializer.to_arguments(), act=act_of(request), idempotency_key=key, deadline=deadline
        )
        response = order_response(placed.order, status=http.HTTP_201_CREATED)
        response["Location"] = f"{settings.API_PREFIX}/orders/{placed.order['_id']}"
        return marked(response, replayed=placed.replayed)

    @operation(
        operation_id="list_orders",
        parameters=[OrdersParameters, IF_NONE_MATCH],
        responses={
            200: OrderSerializer(many=True),
            304: KNOWN,
            **problems(
                e400="A parameter is not understood, or the search is too wide.",
                e403="Another's orders, or a customer's search.",
            ),
            **ALWAYS,
        },
    )
    def list(self, request: Request) -> HttpResponse:
        """List orders, newest first or as `sort` says: all for admins, own ones for customers.

        `Link` leads to the next page.
        """
        given = parameters.read(OrdersParameters, request)
        actor = caller(request)
        if "q" in given:
            actor.require_searching()
        user_id = None if actor.sees_all else actor.id
        if "user_id" in given:
            user_id = parameters.user_id(given["user_id"])
        return self._page(request, user_id, given)

    @operation(
        operation_id="list_user_orders",
        parameters=[USER_ID_OF_PATH, UserOrdersParameters, IF_NONE_MATCH],
        responses={
            200: OrderSerializer(many=True),
            304: KNOWN,
            **problems(e400="A parameter is not understood.", e403="Another's orders."),
            **ALWAYS,
        },
    )
    def of_user(self, request: Request, user_id: str) -> HttpResponse:
        """List one user's orders, newest first or as `sort` says."""
        given = parameters.read(UserOrdersParameters, request)
        return self._page(request, parameters.user_id(user_id), given)

    @operation(
        operation_id="get_order",
        parameters=[ORDER_ID, IF_NONE_MATCH],
        responses={
            200: OrderSerializer,
            304: KNOWN,
            **ONE_ORDER,
        },
    )
    def retrieve(self, request: Request, order_id: str) -> HttpResponse:
        """Get one order, with its ETag."""
        actor = caller(request)
        order = visible(order_queries.get_order(parameters.order_id(order_id), sees=actor.sees), order_id, actor)
        if parameters.none_match(request, order["version"]):
            return Response(status=http.HTTP_304_NOT_MODIFIED, headers={"ETag": parameters.etag(order["version"])})
        return order_response(order)

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
        serializer = StatusSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
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
        operation_id="cancel_order",
        parameters=[ORDER_ID, IF_MATCH, CHANGE_KEY],
        responses={
            204: None,
            **ONE_ORDER,
            **UNSURE,
            **problems(
                e409="The order cannot be cancelled any more.",
                e412="The order has changed; `changes` says how and by whom.",
                e422="The key made another change of this order before.",
            ),
        },
    )
    def destroy(self, request: Request, order_id: str) -> HttpResponse:
        """Cancel the order; it stays readable. What it reserved is released."""
        expect_nothing(request)
        cancelled = transitions.change_status_to(
            status=Status.CANCELLED,
            act=act_of(request),
            deadline=parameters.deadline(request),
            **change_of(request, order_id),
        )
        return marked(Response(status=http.HTTP_204_NO_CONTENT), replayed=cancelled.replayed)

    @operation(
        operation_id="get_order_history",
        parameters=[ORDER_ID],
        responses={200: HistoryEntrySerializer(many=True), **ONE_ORDER},
    )
    def history(self, request: Request, order_id: str) -> Response:
        """Who did what to the order, oldest first, as far as the caller may know."""
        actor = caller(request)
        order = visible(order_queries.get_history(parameters.order_id(order_id), sees=actor.sees), order_id, actor)
        return Response(present_history(order, caller(request)))

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

    def _page(self, request: Request, user_id: str | None, given: dict[str, Any]) -> HttpResponse:
        if user_id is not None:
            caller(request).require_reading_of(user_id)
        query = OrderQuery(
            statuses=given.get("status", ()),
            user_id=user_id,
            ids=order_queries.ids_called(given["number"]) if "number" in given else None,
            reference=given.get("reference", ""),
            since=given.get("start_date"),
            before=given.get("end_date"),
            meanings=meanings_of(given["q"]) if "q" in given else None,
            **SORTS[given["sort"]],
        )
        limit, skip, cursor = given["limit"], given["skip"], given.get("cursor")
        with _in_time(query):
            found = order_queries.list_orders(query, after=cursor and cursor.place, skip=skip, limit=limit + 1)
        response = answer([public_order(order) for order in found[:limit]])
        if len(found) > limit:
            link_next_page(response, request, str(Cursor.behind(found[limit - 1], given["sort"])), skip=0)
        return unless_known(response, request)


def _in_time(query: OrderQuery) -> AbstractContextManager[None]:
    """Bound what may have to look at many orders."""
    if query.meanings:
        return searched_in_time()
    return searched_in_time(TOO_MANY_TO_SORT) if query.lowest_first is not None else nullcontext()
