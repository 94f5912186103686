"""The endpoints of orders: parse, call one service, present. Those of the status and of parts have their own files."""

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
from orders.api.order_list_parameters import OrdersParameters, UserOrdersParameters
from orders.api.order_listing import page_of_orders
from orders.api.serializers import (
    OrderSerializer,
    PlaceOrderSerializer,
)
from orders.api.viewsets import (
    LimitedViewSet,
    act_of,
    caller,
    change_of,
    expect_nothing,
    marked,
    order_response,
)
from orders.models import Status
from orders.services import order_queries
from orders.services.access import visible
from orders.services.lifecycle import placement, transitions


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
        return page_of_orders(request, user_id, given)

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
        return page_of_orders(request, parameters.user_id(user_id), given)

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
