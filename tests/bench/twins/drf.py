"""The idiomatic DRF twin: ORM, ModelSerializer, a ModelViewSet, requests; under `tests.bench.twins.drf_settings`."""

import os
from decimal import Decimal
from typing import Any

import jwt
from django.contrib.auth.models import AnonymousUser
from django.urls import path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from orders.models import (
    PUBLIC_STATUSES,
    Address,
    Charge,
    Contact,
    Item,
    Order,
    Payment,
    Refund,
    Return,
    Shipment,
    Stock,
)
from tests.bench.twins import peers

RESERVED = Stock(state="reserved")


class Caller(AnonymousUser):
    @property
    def is_authenticated(self) -> bool:  # type: ignore[override]
        return True


class Bearer(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, str]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            jwt.decode(token, os.environ["JWT_SHARED_KEY"], algorithms=["HS256"])
        except jwt.PyJWTError as error:
            raise AuthenticationFailed(str(error)) from error
        return Caller(), token


class ItemSerializer(serializers.ModelSerializer[Item]):
    price = serializers.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        model = Item
        fields = ("product_id", "quantity", "price", "name", "sku", "image_url", "split_from", "removed")
        read_only_fields = ("name", "sku", "image_url", "split_from", "removed")


class AddressSerializer(serializers.ModelSerializer[Address]):
    class Meta:
        model = Address
        fields = "__all__"


class ContactSerializer(serializers.ModelSerializer[Contact]):
    class Meta:
        model = Contact
        fields = "__all__"


class ChargeSerializer(serializers.ModelSerializer[Charge]):
    class Meta:
        model = Charge
        fields = "__all__"


class ShipmentSerializer(serializers.ModelSerializer[Shipment]):
    class Meta:
        model = Shipment
        fields = ("at", "carrier", "tracking_number", "tracking_url")


class ReturnSerializer(serializers.ModelSerializer[Return]):
    class Meta:
        model = Return
        fields = ("at", "received_at", "restocked")


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    class Meta:
        model = Payment
        fields = ("at", "amount", "reference", "method")


class RefundSerializer(serializers.ModelSerializer[Refund]):
    class Meta:
        model = Refund
        fields = ("at", "amount", "reference")


class OrderSerializer(serializers.ModelSerializer[Order]):
    id = serializers.CharField(read_only=True)
    items = ItemSerializer(many=True)
    charges = ChargeSerializer(many=True, read_only=True)
    contact = ContactSerializer(read_only=True)
    shipping_address = AddressSerializer()
    billing_address = AddressSerializer(read_only=True)
    shipments = ShipmentSerializer(many=True, read_only=True)
    returns = ReturnSerializer(many=True, read_only=True)
    payments = PaymentSerializer(many=True, read_only=True)
    refunds = RefundSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields = (
            *("id", "number", "user_id", "user_verified", "status", "version", "items", "charges", "total_price"),
            *("currency", "contact", "shipping_address", "billing_address", "reference", "note", "metadata"),
            *("held_at", "shipments", "returns", "paid", "refunded", "owed", "payments", "refunds"),
            *("created_at", "updated_at", "paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at"),
        )
        read_only_fields = tuple(set(fields) - {"user_id", "items", "shipping_address"})

    def create(self, validated: dict[str, Any]) -> Order:
        peers.require(validated["user_id"], validated["items"])
        now = timezone.now()
        items = [Item(**item, stock=RESERVED) for item in validated["items"]]
        order = Order(
            number="TWIN-TWIN-TWIN", user_id=validated["user_id"], status="pending", items=items,
            total_price=Decimal(0), created_at=now, updated_at=now,
            shipping_address=Address(**validated["shipping_address"]),
        )  # fmt: skip
        order.total_price = order.total
        order.save()
        return order


class Orders(ModelViewSet[Order]):
    authentication_classes = [Bearer]
    permission_classes = [IsAuthenticated]
    serializer_class = OrderSerializer
    lookup_url_kwarg = "order_id"

    def get_queryset(self) -> Any:
        found = Order.objects.order_by("-created_at", "-id").filter(status__in=PUBLIC_STATUSES)
        asked = self.request.query_params
        if "status" in asked:
            found = found.filter(status=asked["status"])
        if user_id := self.kwargs.get("user_id") or asked.get("user_id"):
            found = found.filter(user_id=user_id)
        if "start_date" in asked:
            found = found.filter(created_at__gte=asked["start_date"], created_at__lt=asked["end_date"])
        return found

    def list(self, request: Request, **_: Any) -> Response:
        """A bare list: counting all orders, as DRF's paginators do, would take longer than all the rest."""
        limit = int(request.query_params.get("limit", 20))
        return Response(self.get_serializer(self.get_queryset()[:limit], many=True).data)

    def status(self, request: Request, **_: Any) -> Response:
        order = self.get_object()
        if request.data.get("status") != "processing" or order.status != "paid":
            raise ValidationError("no such transition")
        order.start_processing()
        order.version += 1
        order.updated_at = timezone.now()
        order.save()
        return Response(self.get_serializer(order).data)

    def destroy(self, request: Request, **_: Any) -> Response:
        order = self.get_object()
        peers.release(str(order.pk), order.items)
        order.cancel()
        order.save()
        return Response(status=204)


PREFIX = "api/v1/orders/"
urlpatterns = [
    path(PREFIX, Orders.as_view({"get": "list", "post": "create"})),
    path(f"{PREFIX}user/<user_id>", Orders.as_view({"get": "list"})),
    path(f"{PREFIX}<order_id>", Orders.as_view({"get": "retrieve", "delete": "destroy"})),
    path(f"{PREFIX}<order_id>/status", Orders.as_view({"put": "status"})),
]
