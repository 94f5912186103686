"""Changes of orders and of parts of them: the bodies of the requests, which these serializers validate."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from orders.api.fields import (
    AmountField,
    CountField,
    IndexField,
    ShapedField,
    StrictBooleanField,
    TextField,
    each_validated,
)
from orders.api.serializers import REASON_CODES, STATUSES, ExactSerializer
from orders.services.audit import LONGEST_REASON
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.refunding import LONGEST_REFERENCE
from orders.services.lifecycle import payments, tracking
from orders.services.lifecycle.payments import Paid
from orders.services.lifecycle.tracking import Tracking


def _reason() -> TextField:
    return TextField(max_length=LONGEST_REASON, lines=True, required=False, allow_blank=True, default="")


def _reason_code(*, required: bool = False) -> serializers.ChoiceField:
    return serializers.ChoiceField(
        choices=REASON_CODES, required=required, help_text="The reason as it is counted; `other` needs a `reason`."
    )


def _text(longest: Mapping[str, int], name: str, help_text: str) -> TextField:
    return TextField(max_length=longest[name], required=False, allow_blank=True, help_text=help_text)


class PartLinesSerializer(serializers.ListSerializer[Any]):
    """Lines of an order, whose number is checked before any of them."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list) or not data:
            return super().to_internal_value(data)  # which says what is wrong with it
        if len(data) > settings.MAX_ORDER_LINES:
            raise ValidationError(f"At most {settings.MAX_ORDER_LINES} lines are allowed.")
        return each_validated(data, self.run_child_validation)


class LinePartSerializer(ExactSerializer):
    """Some units of a line, or all of it."""

    line = IndexField(help_text="The line by its place among the `items` of the order, from 0.")
    quantity = CountField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="How many units of it. Left out: all of them."
    )

    class Meta:
        list_serializer_class = PartLinesSerializer


def _lines(*, required: bool, help_text: str) -> LinePartSerializer:
    return LinePartSerializer(many=True, allow_empty=False, required=required, help_text=help_text)


class TrackingSerializer(ExactSerializer):
    """Where a parcel is."""

    carrier = _text(
        tracking.LONGEST, "carrier", "E.g. `DHL`. Of a carrier that the shop knows, the page is found by the number."
    )
    tracking_number = _text(tracking.LONGEST, "tracking_number", "The carrier's number of the parcel.")
    tracking_url = ShapedField(
        "tracking_url",
        max_length=tracking.LONGEST["tracking_url"],
        required=False,
        allow_blank=True,
        help_text="The carrier's page on the parcel. Left out: that of a known carrier.",
    )


class ChangeTrackingSerializer(TrackingSerializer):
    """The body of PATCH /orders/{id}/shipments/{shipment}: what is left out stays as it is."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise ValidationError("Nothing is to be changed.")
        return attrs


class ShipmentSerializer(TrackingSerializer):
    """The body of POST /orders/{id}/shipments."""

    lines = _lines(required=False, help_text="What is in the parcel. Left out: all that has not been shipped.")


class PaymentSerializer(ExactSerializer):
    """A payment, as somebody else has taken it: nothing is charged here."""

    reference = _text(payments.LONGEST, "reference", "The payment's own; the same one is recorded once.")
    method = _text(payments.LONGEST, "method", "E.g. `card`.")
    amount = AmountField(required=False, help_text="Left out: what the order comes to. Less than that is refused.")


class StatusSerializer(ExactSerializer):
    """The body of PUT /orders/{id}/status."""

    status = serializers.ChoiceField(choices=STATUSES)
    reason = _reason()
    reason_code = _reason_code()
    payment = PaymentSerializer(required=False, help_text="With the status `paid` only.")
    shipment = TrackingSerializer(required=False, help_text="With the status `shipped` only.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        belongs = {"payment": "paid", "shipment": "shipped"}
        errors = {
            name: [f"This goes with the status {status} only."]
            for name, status in belongs.items()
            if name in attrs and attrs["status"] != status
        }
        if errors:
            raise ValidationError(errors)
        return attrs


class CancellationSerializer(ExactSerializer):
    """The body of POST /orders/{id}/cancellations."""

    lines = _lines(required=True, help_text="What is cancelled.")
    reason = _reason()
    reason_code = _reason_code()


class RefundSerializer(ExactSerializer):
    """The body of POST /orders/{id}/refunds: either `amount` or `lines`."""

    amount = AmountField(required=False, help_text="How much was given back.")
    lines = _lines(required=False, help_text="Instead of an amount: the lines whose price was given back.")
    reason = _reason()
    reason_code = _reason_code()
    reference = TextField(
        max_length=LONGEST_REFERENCE, required=False, allow_blank=True, default="", help_text="The payment's own."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("amount" in attrs) == ("lines" in attrs):
            raise ValidationError({"amount": ["Give an amount or lines: one of them, not both."]})
        return attrs


class ReturnSerializer(ExactSerializer):
    """The body of POST /orders/{id}/returns."""

    lines = _lines(required=False, help_text="What comes back. Left out: all that was shipped.")
    reason = _reason()
    reason_code = _reason_code()


class ReceiptSerializer(ExactSerializer):
    """The body of POST /orders/{id}/returns/{return}/receipt."""

    restock = StrictBooleanField(help_text="Whether it goes back into stock, to be sold again.")
    reason = _reason()


class HoldSerializer(ExactSerializer):
    """The body of PUT /orders/{id}/hold."""

    reason_code = _reason_code(required=True)
    reason = _reason()


def lines_of(given: Mapping[str, Any]) -> list[LineRequest] | None:
    """The lines of a validated body; None where it has none."""
    lines: Sequence[Mapping[str, int]] | None = given.get("lines")
    return None if lines is None else [LineRequest(line["line"], line.get("quantity")) for line in lines]


def tracking_of(given: Mapping[str, Any]) -> Tracking:
    """The tracking in a validated body."""
    return Tracking(**{name: given[name] for name in tracking.LONGEST if name in given})


def payment_of(given: Mapping[str, Any]) -> Paid:
    """The payment of a validated body."""
    return Paid(**given)
