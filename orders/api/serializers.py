"""Requests, which these serializers validate, and answers, which they document."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from orders.api.fields import (
    MOST_ERRORS,
    CodeField,
    CountField,
    MetadataField,
    ObjectIdField,
    PatternField,
    PriceField,
    ShapedField,
    TextField,
    UserIdField,
    each_validated,
)
from orders.models import PUBLIC_STATUSES, Address, ChargeKind, Contact, Item, transition_names
from orders.services import audit, public_order
from orders.services.identifiers import EXPECTED
from orders.services.lifecycle.drafts import Details, require_number_of_lines

STATUSES = [(status, status) for status in PUBLIC_STATUSES]
TRANSITIONS = [(name, name) for name in transition_names()]
REASON_CODES = [(code, code) for code in audit.REASON_CODES]
LINE_STATES = [(state, state) for state in public_order.LINE_STATES]


LONGEST_NAME = 100
"""Characters of a member's name in an error: a name may be as long as the body."""

_bound: dict[type, Any] = {}


class ExactSerializer(serializers.Serializer[Any]):
    """A request body of which nothing is ignored: unknown members are refused.

    An ignored member might have mattered to the caller: an amount, a currency, a criterion, `dry_run`.
    """

    default_error_messages = {"invalid": "A JSON object is expected here."}

    @property
    def fields(self) -> Any:
        """Bound once for each class: copying every field for each request would take longer than validation."""
        kind = type(self)
        if kind not in _bound:
            _bound[kind] = super(ExactSerializer, kind()).fields
        return _bound[kind]

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = _unknown_members(data, self.fields) if isinstance(data, Mapping) else {}
        try:
            value: dict[str, Any] = super().to_internal_value(data)
        except ValidationError as error:
            found: Any = error.detail
            raise ValidationError({**unknown, **found}) from error
        if unknown:
            raise ValidationError(unknown)
        return value


def _unknown_members(data: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, list[str]]:
    names = ", ".join(known)
    problem = f"There is no such field here. Known: {names}." if names else "No field is expected here."
    unknown = islice((name for name in data if name not in known), MOST_ERRORS + 1)
    return {_shown(name): [problem] for name in unknown}


def _shown(name: str) -> str:
    return f"{name[:LONGEST_NAME]}…" if len(name) > LONGEST_NAME else name or '""'


class NothingSerializer(ExactSerializer):
    """The body of a write that takes none: empty, or an object without members."""


class AddressSerializer(ExactSerializer):
    """Where an order or its invoice is sent."""

    name = TextField(
        max_length=200, required=False, allow_blank=True, allow_null=True, help_text="Who receives it there."
    )
    company = TextField(max_length=200, required=False, allow_blank=True, allow_null=True)
    line1 = TextField(max_length=200)
    line2 = TextField(max_length=200, required=False, allow_blank=True, allow_null=True)
    city = TextField(max_length=100)
    state = TextField(max_length=100, required=False, allow_blank=True, allow_null=True)
    postal_code = CodeField(
        max_length=20,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="A JSON integer is taken for its digits.",
    )
    country = TextField(max_length=100)
    phone = ShapedField("phone", max_length=40, required=False, allow_blank=True, allow_null=True)


class ContactSerializer(ExactSerializer):
    """Whom to reach about an order; what is left out is taken from the user service."""

    name = TextField(max_length=200, required=False, allow_blank=True, allow_null=True)
    email = ShapedField("email", max_length=254, required=False, allow_blank=True, allow_null=True)
    phone = ShapedField("phone", max_length=40, required=False, allow_blank=True, allow_null=True)


class LinesSerializer(serializers.ListSerializer[Any]):
    """The lines of an order, whose number is checked before any of them."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list) or not data:
            return super().to_internal_value(data)  # which says what is wrong with it
        require_number_of_lines(len(data))
        return each_validated(data, self.run_child_validation)


class ItemSerializer(ExactSerializer):
    """A line of an order."""

    product_id = ObjectIdField(help_text="ObjectId of the product.")
    quantity = CountField(min_value=1, max_value=2**31 - 1, help_text="Digits in a string are read as well.")
    price = PriceField(
        help_text="The price of one that the customer was shown, as text: `14.90`. A JSON number is read as well. "
        "Refused with 409 if it is not the current one."
    )

    class Meta:
        list_serializer_class = LinesSerializer


class PlaceOrderSerializer(ExactSerializer):
    """The body of POST /orders/."""

    user_id = UserIdField(help_text=f"{EXPECTED} A JSON integer is read as well.")
    items = ItemSerializer(many=True, allow_empty=False)
    shipping_address = AddressSerializer()
    billing_address = AddressSerializer(required=False)
    contact = ContactSerializer(required=False)
    currency = PatternField(
        "[A-Z]{3}",
        expected="the code of a currency (ISO 4217), e.g. EUR",
        required=False,
        allow_null=True,
        help_text="Of the prices: ISO 4217, in capitals. Left out: the shop's.",
    )
    reference = TextField(
        max_length=64, required=False, allow_blank=True, allow_null=True, help_text="Your own number of the order."
    )
    note = TextField(
        max_length=500,
        lines=True,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="What the customer says with the order.",
    )
    metadata = MetadataField(
        required=False,
        allow_null=True,
        help_text="Texts of your own, by name. A name has 1 to 40 characters in one line, no dot, and no dollar sign "
        "at its beginning.",
    )

    def to_arguments(self) -> dict[str, Any]:
        """The validated body as arguments of `placement.place_order`."""
        data = self.validated_data
        billing = data.get("billing_address")
        details = Details(
            contact=Contact(**_texts(data.get("contact") or {})),
            currency=data.get("currency"),
            reference=data.get("reference") or "",
            note=data.get("note") or "",
            metadata=data.get("metadata") or {},
            billing_address=Address(**_texts(billing)) if billing else None,
        )
        return {
            "user_id": data["user_id"],
            "items": [Item(**item) for item in data["items"]],
            "shipping_address": Address(**_texts(data["shipping_address"])),
            "details": details,
        }


def _texts(part: Mapping[str, Any]) -> dict[str, str]:
    return {name: value or "" for name, value in part.items()}


class OrderItemSerializer(serializers.Serializer[Any]):
    product_id = serializers.CharField()
    quantity = serializers.IntegerField()
    price = serializers.DecimalField(
        max_digits=10, decimal_places=2, help_text="Of one, as it was placed: a decimal with two places."
    )
    name = serializers.CharField(help_text="Of the product when it was ordered; empty where that is not known.")
    sku = serializers.CharField(help_text="Of the product; may be empty.")
    image_url = serializers.CharField(help_text="Of a picture of the product; may be empty.")
    state = serializers.ChoiceField(choices=LINE_STATES, help_text="What has become of it.")
    split_from = serializers.IntegerField(
        allow_null=True, help_text="The line, by its place from 0, of which this was a part until it went its own way."
    )


class OrderShipmentSerializer(serializers.Serializer[Any]):
    """A parcel; texts that are not known are empty."""

    at = serializers.DateTimeField(help_text="When it left.")
    carrier = serializers.CharField()
    tracking_number = serializers.CharField()
    tracking_url = serializers.CharField(help_text="The carrier's page on the parcel.")
    lines = serializers.ListField(child=serializers.IntegerField(), help_text="What is in it: places among `items`.")


class OrderReturnSerializer(serializers.Serializer[Any]):
    """Goods that come back."""

    at = serializers.DateTimeField(help_text="When this was said.")
    received_at = serializers.DateTimeField(allow_null=True)
    restocked = serializers.BooleanField(allow_null=True, help_text="Null until they are received.")
    lines = serializers.ListField(child=serializers.IntegerField(), help_text="What comes back: places among `items`.")


class OrderChargeSerializer(serializers.Serializer[Any]):
    """What the order costs beside its items: part of the total."""

    kind = serializers.ChoiceField(choices=ChargeKind.values)
    amount = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="Below 0 for a discount.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # Not declared: a serializer has an attribute by this name.
        told = "E.g. the name of a tax or the code of a discount; may be empty."
        return {**super().get_fields(), "label": serializers.CharField(help_text=told)}


class OrderPaymentSerializer(serializers.Serializer[Any]):
    """A payment, as the shop recorded it."""

    at = serializers.DateTimeField()
    amount = serializers.DecimalField(max_digits=14, decimal_places=2)
    reference = serializers.CharField(help_text="The payment's own; may be empty.")
    method = serializers.CharField(help_text="May be empty.")


class OrderRefundSerializer(serializers.Serializer[Any]):
    """Money that was given back, as the shop recorded it."""

    at = serializers.DateTimeField()
    amount = serializers.DecimalField(max_digits=14, decimal_places=2)
    reference = serializers.CharField(help_text="The payment's own; may be empty.")


class OrderContactSerializer(serializers.Serializer[Any]):
    """The person who ordered; each member may be empty."""

    name = serializers.CharField()
    email = serializers.CharField()
    phone = serializers.CharField()


class OrderAddressSerializer(serializers.Serializer[Any]):
    """An address; members that were not given are empty."""

    name = serializers.CharField()
    company = serializers.CharField()
    line1 = serializers.CharField()
    line2 = serializers.CharField()
    city = serializers.CharField()
    state = serializers.CharField()
    postal_code = serializers.CharField()
    country = serializers.CharField()
    phone = serializers.CharField()


class OrderBillingAddressSerializer(OrderAddressSerializer):
    """Where the invoice goes; null if the order does not say it."""


class OrderSerializer(serializers.Serializer[Any]):
    """An order; decimals are strings, moments are ISO 8601 in UTC.

    Beside `id` each order has the same value as `_id`, which clients of the former order service read. It is not among
    the properties here, since generated clients cannot tell the two names apart. Other members may be added.
    """

    id = serializers.CharField(help_text="ObjectId of the order; on the wire also as `_id`.")
    number = serializers.CharField(help_text="What people read out on the phone.")
    user_id = serializers.CharField()
    user_verified = serializers.BooleanField(help_text="False: the user service could not be asked.")
    status = serializers.ChoiceField(choices=STATUSES)
    version = serializers.IntegerField(help_text="Counts the changes of the order; also its ETag.")
    items = OrderItemSerializer(many=True)
    charges = OrderChargeSerializer(
        many=True, help_text="Of orders of another system, e.g. shipping; empty for orders placed here."
    )
    total_price = serializers.DecimalField(
        max_digits=14, decimal_places=2, help_text="Of all lines and charges: a decimal with two places."
    )
    currency = serializers.CharField(help_text="ISO 4217, e.g. `EUR`: of the prices and the total.")
    contact = OrderContactSerializer()
    shipping_address = OrderAddressSerializer()
    billing_address = OrderBillingAddressSerializer(allow_null=True)
    reference = serializers.CharField(help_text="The storefront's own number of the order; may be empty.")
    note = serializers.CharField(help_text="What the customer said with the order; may be empty.")
    metadata = serializers.DictField(child=serializers.CharField(), help_text="As the storefront sent it.")
    on_hold = serializers.BooleanField(help_text="The shop holds it back: it is neither prepared nor shipped.")
    shipments = OrderShipmentSerializer(many=True)
    returns = OrderReturnSerializer(many=True)
    paid = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="What was paid in all.")
    refunded = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="What of it was given back.")
    owed = serializers.DecimalField(
        max_digits=14, decimal_places=2, help_text="What is still to be given back: paid for what does not come."
    )
    payments = OrderPaymentSerializer(many=True)
    refunds = OrderRefundSerializer(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    shipped_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    refunded_at = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `_id` cannot be declared: a leading underscore is private to Python's name mangling rules, not to JSON.
        return {"_id": serializers.CharField(source="id"), **super().get_fields()}


class HistoryEntrySerializer(serializers.Serializer[Any]):
    """One event of an order. `line` is present only for the stock of a line (admins).

    Where the status stays as it is (`change_address`, `ship_part`, …; `note`, for admins), `from` and `to` are null.
    `reason`, `reason_code`, `detail` and `request_id` are empty for customers, unless they did it themselves.
    """

    at = serializers.DateTimeField()
    act = serializers.CharField()
    to = serializers.CharField(allow_null=True)
    actor = serializers.CharField(help_text="`kind:id`, or the kind alone where the id is the shop's own.")
    via = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    reason_code = serializers.CharField(help_text="The reason as it is counted; may be empty.")
    detail = serializers.CharField(help_text="What was changed, in words; may be empty.")
    request_id = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField(required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"from": serializers.CharField(allow_null=True), **super().get_fields()}


class EffectSerializer(serializers.Serializer[Any]):
    """What a transition would cause now, beside the new status."""

    releases = serializers.IntegerField(help_text="Units that go back into stock.")
    ships = serializers.IntegerField(help_text="Units that leave for good.")
    refunds = serializers.DecimalField(
        max_digits=14, decimal_places=2, help_text="What is then recorded as given back to the customer."
    )
    owes = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="What is then owed to the customer.")


class TransitionSerializer(serializers.Serializer[Any]):
    """A transition that the caller may make now. Those that a hold or a first parcel stands against are left out."""

    name = serializers.ChoiceField(choices=TRANSITIONS)
    to = serializers.ChoiceField(choices=STATUSES)
    description = serializers.CharField()
    effect = EffectSerializer()


class ChangeSerializer(serializers.Serializer[Any]):
    """What somebody changed since the caller saw the order."""

    at = serializers.DateTimeField()
    act = serializers.CharField()
    actor = serializers.CharField()
    to = serializers.CharField(allow_null=True)
    request_id = serializers.CharField(help_text="The `X-Request-ID` of the change, if it was the caller's own.")


class ProblemSerializer(serializers.Serializer[Any]):
    """A problem document (RFC 9457): `detail` is a complete message, `code` and `errors` are for machines.

    Other codes and members may be added: go by the status where a code is not known.
    """

    type = serializers.CharField(help_text="The address of a page on this `code`, relative to the service.")
    title = serializers.CharField(help_text="The HTTP status in words.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What is wrong, for people.")
    code = serializers.CharField(help_text="What is wrong, for machines.")
    current_status = serializers.ChoiceField(
        choices=STATUSES, required=False, help_text="Of an order that cannot change as asked."
    )
    allowed = serializers.ListField(
        child=serializers.ChoiceField(choices=STATUSES), required=False, help_text="The statuses that it can change to."
    )
    current_prices = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="Line to its product's price, where that has changed."
    )
    available = serializers.DictField(
        child=serializers.IntegerField(allow_null=True),
        required=False,
        help_text="Line to how many units of its product there are; null where inventory does not tell.",
    )
    version = serializers.IntegerField(required=False, help_text="At which an order is that has changed meanwhile.")
    changes = ChangeSerializer(many=True, required=False, help_text="What was changed meanwhile, and by whom.")
    left = serializers.CharField(required=False, help_text="How much of what was paid can still be refunded.")
    due = serializers.CharField(required=False, help_text="What would pay the order.")
    limit = serializers.IntegerField(required=False, help_text="How many unpaid orders a customer may have.")
    oldest = serializers.IntegerField(required=False, help_text="The `cursor` with which the feed of events begins.")
    newest = serializers.IntegerField(required=False, help_text="The `cursor` with which the feed of events ends.")
    state = serializers.CharField(required=False, help_text="Of a bulk run that is over.")
    scopes = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="The scopes of which a service's token needs one."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # Not declared: a serializer has an attribute by this name.
        problems = serializers.ListField(child=serializers.CharField())
        said = "Field, parameter, header or line to what is wrong with it."
        errors = serializers.DictField(child=problems, required=False, help_text=said)
        return {**super().get_fields(), "errors": errors}
