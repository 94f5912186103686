"""The endpoints of parts of orders: parcels, cancelled lines, refunds, returns and holds."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import status as http
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from orders.api import parameters
from orders.api.operations import (
    CHANGE_KEY,
    IF_MATCH,
    ORDER_ID,
    PART_OF_ORDER,
    RETURN_NUMBER,
    SHIPMENT_NUMBER,
    operation,
)
from orders.api.part_serializers import (
    CancellationSerializer,
    ChangeTrackingSerializer,
    HoldSerializer,
    ReceiptSerializer,
    RefundSerializer,
    ReturnSerializer,
    ShipmentSerializer,
    lines_of,
    tracking_of,
)
from orders.api.serializers import OrderSerializer
from orders.api.viewsets import LimitedViewSet, act_of, change_of, changed_response, expect_nothing, given_of
from orders.services.audit import Act
from orders.services.fulfilment import cancelling, holding, refunding, returning, shipping

CHANGED: dict[Any, Any] = {200: OrderSerializer, **PART_OF_ORDER}
ADDED: dict[Any, Any] = {201: OrderSerializer, **PART_OF_ORDER}
PARAMETERS = [ORDER_ID, IF_MATCH, CHANGE_KEY]


@extend_schema(tags=["parts of orders"])
class PartViewSet(LimitedViewSet):
    """Parts of orders. Each answer is the whole order."""

    @operation(operation_id="ship_parcel", request=ShipmentSerializer, parameters=PARAMETERS, responses=ADDED)
    def ship(self, request: Request, order_id: str) -> HttpResponse:
        """Ship lines in one parcel. The parcel with the last of them makes the order `shipped`."""
        if request.META.get("CONTENT_LENGTH") in (None, "", "0"):  # all that is open leaves only where it is said
            raise ValidationError("A JSON object is expected here.")
        change, given = change_of(request, order_id), given_of(ShipmentSerializer, request)
        changed = shipping.ship(lines=lines_of(given), tracking=tracking_of(given), act=act_of(request), **change)
        return changed_response(changed, http.HTTP_201_CREATED)

    @operation(
        operation_id="change_tracking",
        request=ChangeTrackingSerializer,
        parameters=[*PARAMETERS, SHIPMENT_NUMBER],
        responses=CHANGED,
    )
    def track(self, request: Request, order_id: str, shipment_number: str) -> HttpResponse:
        """Say where a parcel is, or correct it."""
        change, number = change_of(request, order_id), parameters.number(shipment_number, "shipment_number")
        given = given_of(ChangeTrackingSerializer, request)
        changed = shipping.change_tracking(
            shipment=number, tracking=tracking_of(given), members=given.keys(), act=act_of(request), **change
        )
        return changed_response(changed)

    @operation(operation_id="cancel_lines", request=CancellationSerializer, parameters=PARAMETERS, responses=ADDED)
    def cancel(self, request: Request, order_id: str) -> HttpResponse:
        """Cancel lines that have not been shipped; their stock is released.

        The last one makes the order `cancelled`, or `shipped` where others have been.
        """
        deadline, change = parameters.deadline(request), change_of(request, order_id)
        given = given_of(CancellationSerializer, request)
        changed = cancelling.cancel_lines(
            lines=lines_of(given) or (), act=_act(request, given), deadline=deadline, **change
        )
        return changed_response(changed, http.HTTP_201_CREATED)

    @operation(operation_id="refund_order", request=RefundSerializer, parameters=PARAMETERS, responses=ADDED)
    def refund(self, request: Request, order_id: str) -> HttpResponse:
        """Record that money was given back: no payment provider is called.

        Never more than was paid. The refund of the last of it makes the order `refunded`, if it can be.
        """
        deadline, change = parameters.deadline(request), change_of(request, order_id)
        given = given_of(RefundSerializer, request)
        changed = refunding.refund(
            amount=given.get("amount"),
            lines=lines_of(given),
            reference=given["reference"],
            act=_act(request, given),
            deadline=deadline,
            **change,
        )
        return changed_response(changed, http.HTTP_201_CREATED)

    @operation(operation_id="open_return", request=ReturnSerializer, parameters=PARAMETERS, responses=ADDED)
    def open_return(self, request: Request, order_id: str) -> HttpResponse:
        """Say that the customer sends shipped lines back."""
        change, given = change_of(request, order_id), given_of(ReturnSerializer, request)
        changed = returning.open_return(lines=lines_of(given), act=_act(request, given), **change)
        return changed_response(changed, http.HTTP_201_CREATED)

    @operation(
        operation_id="receive_return",
        request=ReceiptSerializer,
        parameters=[*PARAMETERS, RETURN_NUMBER],
        responses=CHANGED,
    )
    def receive(self, request: Request, order_id: str, return_number: str) -> HttpResponse:
        """Say that a return has arrived. What it cost is then owed to the customer, until it is refunded."""
        deadline, change = parameters.deadline(request), change_of(request, order_id)
        index, given = parameters.number(return_number, "return_number"), given_of(ReceiptSerializer, request)
        changed = returning.receive_return(
            number=index, restock=given["restock"], act=_act(request, given), deadline=deadline, **change
        )
        return changed_response(changed)

    @operation(operation_id="hold_order", request=HoldSerializer, parameters=PARAMETERS, responses=CHANGED)
    def hold(self, request: Request, order_id: str) -> HttpResponse:
        """Hold the order back: it can be neither prepared nor shipped. Customers do not learn why."""
        change, given = change_of(request, order_id), given_of(HoldSerializer, request)
        return changed_response(holding.hold(act=_act(request, given), **change))

    @operation(operation_id="lift_hold", request=None, parameters=PARAMETERS, responses=CHANGED)
    def lift(self, request: Request, order_id: str) -> HttpResponse:
        """Lift the hold: the order can go on."""
        expect_nothing(request)
        return changed_response(holding.lift(act=act_of(request), **change_of(request, order_id)))


def _act(request: Request, given: dict[str, Any]) -> Act:
    return act_of(request, given["reason"], given.get("reason_code", ""))
