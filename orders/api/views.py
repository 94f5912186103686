"""The endpoints of the storefront API: parse, call one service, present."""

from typing import Any, cast

from bson import ObjectId
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status as http
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from orders.api import parameters
from orders.api.errors import CONTENT_TYPE
from orders.api.fields import OBJECT_ID, USER_ID, anchored
from orders.api.parameters import CursorField, OrdersParameters, UserOrdersParameters
from orders.api.presentation import present_history, present_order, present_transitions
from orders.api.rendering import answer
from orders.api.serializers import (
    HistoryEntrySerializer,
    OrderSerializer,
    PlaceOrderSerializer,
    ProblemSerializer,
    StatusSerializer,
    TransitionSerializer,
)
from orders.api.viewsets import LimitedViewSet
from orders.models import reads
from orders.models.database import Document
from orders.models.reads import Position, Selection
from orders.services import placement, transitions
from orders.services.access import Actor, OrderNotFound
from orders.services.acts import Act
from orders.services.user_ids import canonical


def problems(**details: str) -> dict[tuple[int, str], OpenApiResponse]:
    return {
        (int(code.removeprefix("e")), CONTENT_TYPE): OpenApiResponse(ProblemSerializer, text)
        for code, text in details.items()
    }


ORDER_ID = OpenApiParameter(
    "order_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    pattern=anchored(OBJECT_ID),
    description="ObjectId of the order: the `id` that placing it answered.",
)
USER_ID_OF_PATH = OpenApiParameter(
    "user_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    pattern=anchored(USER_ID),
    description="An integer, an ObjectId or a UUID.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "format": "etag", "pattern": anchored(parameters.ETAG_OR_ANY)},
    OpenApiParameter.HEADER,
    description="Refuse (412) if the order has another ETag.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Answer 304 without a body if one of these ETags is the order's.",
)
KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    pattern=anchored(parameters.IDEMPOTENCY_KEY),
    description="1 to 255 visible ASCII characters. The same request with the same key is placed once; a replay "
    "answers with the order as it is now and `Idempotency-Replayed: true`.",
)
TOO_MANY = problems(e429="Too many writes of the caller, or refused tokens from the address; see `Retry-After`.")
NOT_LET_IN = (
    "No token (`not_authenticated`), one whose time is over (`token_expired`: get another), or one that is not valid "
    "(`token_invalid`)."
)
ALWAYS = problems(e401=NOT_LET_IN, e503="The database cannot be reached.") | TOO_MANY
ONE = problems(e400="Not an ObjectId.", e404="There is no such order, or it is another's.") | ALWAYS


@extend_schema(tags=["orders"])
class OrderViewSet(LimitedViewSet):
    """Orders."""

    @extend_schema(
        operation_id="place_order",
        request=PlaceOrderSerializer,
        parameters=[KEY],
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
                e503="A service that is needed cannot be reached; nothing is kept.",
            ),
            **TOO_MANY,
        },
    )
    def create(self, request: Request) -> HttpResponse:
        """Place an order: verified with the user, product and inventory services, its stock reserved."""
        deadline = parameters.deadline(request)
        key = parameters.idempotency_key(request)
        serializer = PlaceOrderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        placed = placement.place_order(
            **serializer.to_arguments(), act=act_of(request), idempotency_key=key, deadline=deadline
        )
        response = order_response(placed.order, status=http.HTTP_201_CREATED)
        response["Location"] = f"{settings.API_PREFIX}/orders/{placed.order['_id']}"
        if placed.replayed:
            response["Idempotency-Replayed"] = "true"
        return response

    @extend_schema(
        operation_id="list_orders",
        parameters=[OrdersParameters],
        responses={
            200: OrderSerializer(many=True),
            **problems(e400="A parameter is not understood.", e403="Another's orders."),
            **ALWAYS,
        },
    )
    def list(self, request: Request) -> HttpResponse:
        """List orders, newest first: all for admins, own ones for customers. `Link` leads to the next page."""
        given = parameters.read(OrdersParameters, request)
        user_id = given.get("user_id")
        actor = caller(request)
        if user_id is None and not actor.sees_all:
            user_id = actor.id
        return self._page(request, user_id, given)

    @extend_schema(
        operation_id="list_user_orders",
        parameters=[USER_ID_OF_PATH, UserOrdersParameters],
        responses={
            200: OrderSerializer(many=True),
            **problems(e400="A parameter is not understood.", e403="Another's orders."),
            **ALWAYS,
        },
    )
    def of_user(self, request: Request, user_id: str) -> HttpResponse:
        """List one user's orders, newest first."""
        return self._page(request, user_id, parameters.read(UserOrdersParameters, request))

    @extend_schema(
        operation_id="get_order",
        parameters=[ORDER_ID, IF_NONE_MATCH],
        responses={200: OrderSerializer, 304: OpenApiResponse(description="As the caller has it already."), **ONE},
    )
    def retrieve(self, request: Request, order_id: str) -> HttpResponse:
        """Get one order, with its ETag."""
        order = visible(reads.get_order(parameters.order_id(order_id)), order_id, caller(request))
        if parameters.none_match(request, order["version"]):
            return Response(status=http.HTTP_304_NOT_MODIFIED, headers={"ETag": parameters.etag(order["version"])})
        return order_response(order)

    @extend_schema(
        operation_id="change_order_status",
        request=StatusSerializer,
        parameters=[ORDER_ID, IF_MATCH],
        responses={
            200: OrderSerializer,
            **ONE,
            **problems(
                e400="Not an ObjectId, or an unknown status.",
                e403="The caller may not make this change.",
                e409="The order cannot change to this status; `allowed` says to which it can.",
                e412="The order has changed; `changes` says how and by whom.",
            ),
        },
    )
    def status(self, request: Request, order_id: str) -> HttpResponse:
        """Change the status. Cancelling and refunding release what is still reserved."""
        deadline = parameters.deadline(request)
        identity, version = parameters.order_id(order_id), parameters.expected_version(request)
        serializer = StatusSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changed = transitions.change_status_to(
            order_id=identity,
            status=serializer.validated_data["status"],
            act=act_of(request, serializer.validated_data["reason"]),
            expected_version=version,
            deadline=deadline,
        )
        return order_response(changed)

    @extend_schema(
        operation_id="cancel_order",
        parameters=[ORDER_ID, IF_MATCH],
        responses={
            204: None,
            **ONE,
            **problems(
                e409="The order cannot be cancelled any more.",
                e412="The order has changed; `changes` says how and by whom.",
            ),
        },
    )
    def destroy(self, request: Request, order_id: str) -> Response:
        """Cancel the order; it stays readable. What it reserved is released."""
        transitions.change_status(
            order_id=parameters.order_id(order_id),
            transition="cancel",
            act=act_of(request),
            expected_version=parameters.expected_version(request),
            deadline=parameters.deadline(request),
        )
        return Response(status=http.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="get_order_history",
        parameters=[ORDER_ID],
        responses={200: HistoryEntrySerializer(many=True), **ONE},
    )
    def history(self, request: Request, order_id: str) -> Response:
        """Who did what to the order, oldest first, as far as the caller may know."""
        order = visible(reads.get_history(parameters.order_id(order_id)), order_id, caller(request))
        return Response(present_history(order, caller(request)))

    @extend_schema(
        operation_id="list_order_transitions",
        parameters=[ORDER_ID],
        responses={200: TransitionSerializer(many=True), **ONE},
    )
    def transitions(self, request: Request, order_id: str) -> Response:
        """What this caller may do with the order now."""
        order = visible(reads.get_history(parameters.order_id(order_id)), order_id, caller(request))
        return Response(present_transitions(order, caller(request)))

    def _page(self, request: Request, user_id: str | None, given: dict[str, Any]) -> HttpResponse:
        if user_id is not None:
            user_id = canonical(user_id)
            caller(request).require_reading_of(user_id)
        selection = Selection(
            status=given.get("status"),
            user_id=user_id,
            since=given.get("start_date"),
            before=given.get("end_date"),
            after=given.get("cursor"),
        )
        limit: int = given["limit"]
        found = reads.list_orders(selection, skip=given["skip"], limit=limit + 1)
        response = answer([present_order(order) for order in found[:limit]])
        if len(found) > limit:
            last = found[limit - 1]
            cursor = CursorField().to_representation(Position(last["created_at"], last["_id"]))
            link = replace_query_param(request.build_absolute_uri(), "cursor", cursor)
            response["Link"] = f'<{replace_query_param(link, "skip", 0)}>; rel="next"'
            response["Next-Cursor"] = cursor
        return response


def caller(request: Request) -> Actor:
    """Who is calling: the permission of every view here sees to it that somebody is known."""
    return cast("Actor", request.user)


def act_of(request: Request, reason: str = "") -> Act:
    return Act(caller(request), timezone.now(), reason)


def visible(order: Document | None, order_id: str | ObjectId, actor: Actor) -> Document:
    """:raises OrderNotFound: for another's order just as for none."""
    if order is None or not actor.sees(order["user_id"]):
        raise OrderNotFound(f"There is no order {order_id}.")
    return order


def order_response(order: Document, status: int = http.HTTP_200_OK) -> HttpResponse:
    return answer(present_order(order), status=status, headers={"ETag": parameters.etag(order["version"])})
