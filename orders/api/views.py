"""The endpoints of the storefront API: parse, call one service, present."""

from typing import Any, cast

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
from orders.api.fields import anchored
from orders.api.parameters import CursorField, OrdersParameters, UserOrdersParameters
from orders.api.presentation import present_history, present_order, present_transitions
from orders.api.rendering import answer
from orders.api.serializers import (
    HistoryEntrySerializer,
    NothingSerializer,
    OrderSerializer,
    PlaceOrderSerializer,
    ProblemSerializer,
    StatusSerializer,
    TransitionSerializer,
)
from orders.api.viewsets import LimitedViewSet
from orders.models import Document, Status
from orders.services import order_queries
from orders.services.access import Actor, visible
from orders.services.audit import Act
from orders.services.identifiers import EXPECTED, LONGEST_USER_ID, OBJECT_ID, canonical
from orders.services.lifecycle import placement, transitions
from orders.services.order_queries import OrderQuery, Position


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
    {"type": "string", "minLength": 1, "maxLength": LONGEST_USER_ID},
    OpenApiParameter.PATH,
    description=f"{EXPECTED} Of one with a slash in it, ask `GET /orders/?user_id=…`.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "format": "etags", "pattern": anchored(parameters.TAGS_OR_ANY)},
    OpenApiParameter.HEADER,
    description="Refuse (412) if the order has none of these ETags: a list as RFC 9110 section 13.1.1 has it, or `*`. "
    'What an intermediary that compresses makes of an ETag (`W/"3"`) is as good as the ETag itself.',
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
    required=settings.REQUIRE_IDEMPOTENCY_KEY,
    pattern=anchored(parameters.IDEMPOTENCY_KEY),
    description="1 to 255 visible ASCII characters. The same request with the same key is placed once; a replay "
    "answers with the order as it is now and `Idempotency-Replayed: true`.",
)
CHANGE_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    pattern=anchored(parameters.IDEMPOTENCY_KEY),
    description="1 to 255 visible ASCII characters. The same change of the same order with the same key is made once; "
    "a replay is answered as the first request was, with the order as it is now and `Idempotency-Replayed: true`, "
    "whatever `If-Match` says and whatever has become of the order since. A refused change leaves its key free.",
)
TOO_MANY = problems(e429="Too many writes of the caller, or refused tokens from the address; see `Retry-After`.")
NOT_LET_IN = (
    "No token (`not_authenticated`), one whose time is over (`token_expired`: get another), or one that is not valid "
    "(`token_invalid`)."
)
ALWAYS = problems(e401=NOT_LET_IN, e503="`database_unavailable`: nothing was changed; try again.") | TOO_MANY
UNSURE = problems(
    e503="`database_unavailable`: nothing was changed; try again. `outcome_unknown`: the database did not answer, and "
    "it is not known whether this was done; send the same again, which finds out."
)
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
        actor = caller(request)
        order = visible(order_queries.get_order(parameters.order_id(order_id), sees=actor.sees), order_id, actor)
        if parameters.none_match(request, order["version"]):
            return Response(status=http.HTTP_304_NOT_MODIFIED, headers={"ETag": parameters.etag(order["version"])})
        return order_response(order)

    @extend_schema(
        operation_id="change_order_status",
        request=StatusSerializer,
        parameters=[ORDER_ID, IF_MATCH, CHANGE_KEY],
        responses={
            200: OrderSerializer,
            **ONE,
            **UNSURE,
            **problems(
                e400="Not an ObjectId, or an unknown status.",
                e403="The caller may not make this change.",
                e409="The order cannot change to this status; `allowed` says to which it can.",
                e412="The order has changed; `changes` says how and by whom.",
                e422="The key made another change of this order before.",
            ),
        },
    )
    def status(self, request: Request, order_id: str) -> HttpResponse:
        """Change the status. Cancelling and refunding release what is still reserved."""
        deadline = parameters.deadline(request)
        identity, versions = parameters.order_id(order_id), parameters.expected_versions(request)
        key = parameters.idempotency_key(request)
        serializer = StatusSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changed = transitions.change_status_to(
            order_id=identity,
            status=serializer.validated_data["status"],
            act=act_of(request, serializer.validated_data["reason"]),
            expected_versions=versions,
            idempotency_key=key,
            deadline=deadline,
        )
        return marked(order_response(changed.order), replayed=changed.replayed)

    @extend_schema(
        operation_id="cancel_order",
        parameters=[ORDER_ID, IF_MATCH, CHANGE_KEY],
        responses={
            204: None,
            **ONE,
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
            order_id=parameters.order_id(order_id),
            status=Status.CANCELLED,
            act=act_of(request),
            expected_versions=parameters.expected_versions(request),
            idempotency_key=parameters.idempotency_key(request),
            deadline=parameters.deadline(request),
        )
        return marked(Response(status=http.HTTP_204_NO_CONTENT), replayed=cancelled.replayed)

    @extend_schema(
        operation_id="get_order_history",
        parameters=[ORDER_ID],
        responses={200: HistoryEntrySerializer(many=True), **ONE},
    )
    def history(self, request: Request, order_id: str) -> Response:
        """Who did what to the order, oldest first, as far as the caller may know."""
        actor = caller(request)
        order = visible(order_queries.get_history(parameters.order_id(order_id), sees=actor.sees), order_id, actor)
        return Response(present_history(order, caller(request)))

    @extend_schema(
        operation_id="list_order_transitions",
        parameters=[ORDER_ID],
        responses={200: TransitionSerializer(many=True), **ONE},
    )
    def transitions(self, request: Request, order_id: str) -> Response:
        """What this caller may do with the order now."""
        actor = caller(request)
        order = visible(order_queries.get_history(parameters.order_id(order_id), sees=actor.sees), order_id, actor)
        return Response(present_transitions(order, caller(request)))

    def _page(self, request: Request, user_id: str | None, given: dict[str, Any]) -> HttpResponse:
        if user_id is not None:
            user_id = canonical(user_id)
            caller(request).require_reading_of(user_id)
        query = OrderQuery(
            statuses=(given["status"],) if "status" in given else (),
            user_id=user_id,
            since=given.get("start_date"),
            before=given.get("end_date"),
        )
        limit: int = given["limit"]
        found = order_queries.list_orders(query, after=given.get("cursor"), skip=given["skip"], limit=limit + 1)
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


def expect_nothing(request: Request) -> None:
    """:raises ValidationError: if there is something in the body of a write that needs none."""
    NothingSerializer(data=request.data).is_valid(raise_exception=True)


def marked(response: HttpResponse, *, replayed: bool) -> HttpResponse:
    """The response, which says so if it is the answer to an earlier request with the same key."""
    if replayed:
        response["Idempotency-Replayed"] = "true"
    return response


def order_response(order: Document, status: int = http.HTTP_200_OK) -> HttpResponse:
    return answer(present_order(order), status=status, headers={"ETag": parameters.etag(order["version"])})
