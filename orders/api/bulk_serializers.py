"""Bulk transitions: the request, which these serializers validate, and the answers, which they document."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orders.api.fields import (
    CountField,
    ManyField,
    MomentField,
    ObjectIdField,
    PatternField,
    StrictBooleanField,
    TextField,
    UserIdField,
    WholeNumberField,
)
from orders.api.serializers import ExactSerializer
from orders.models import PUBLIC_STATUSES, BulkState, OrderOutcome, transition_names
from orders.services import bulk
from orders.services.audit import LONGEST_REASON, REASON_CODES
from orders.services.identifiers import EXPECTED_ORDER, ORDER_TYPED, canonical, order_typed
from orders.services.order_queries import OrderKeys, OrderQuery

MOST_IDS = 10_000
MOST_ORDERS = 100_000_000
RUN_STATES = [(name, name) for name in BulkState.values]
OUTCOMES = [(name, name) for name in OrderOutcome.values]


class KeyField(PatternField):
    """An order's id, or its number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ORDER_TYPED, expected=EXPECTED_ORDER, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        return order_typed(text) or text  # too long for a number: no such order


@extend_schema_field({"type": "array", "items": {"type": "string", "enum": list(PUBLIC_STATUSES)}, "minItems": 1})
class StatusesField(ManyField):
    """A list of statuses, or just one."""

    child = serializers.ChoiceField(choices=[(status, status) for status in PUBLIC_STATUSES])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=len(PUBLIC_STATUSES), **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        return super().to_internal_value([data] if isinstance(data, str) else data)


class FilterSerializer(ExactSerializer):
    """Which orders: all criteria hold together, and at least one beside `limit` must be given."""

    status = StatusesField(
        required=False, allow_empty=False, help_text="One of these; a single one may stand without a list."
    )
    created_from = MomentField(required=False, help_text="A date (2026-01-31), or a datetime; UTC if it names no zone.")
    created_before = MomentField(required=False, help_text="A date, or a datetime.")
    user_id = UserIdField(required=False, help_text="Whose orders.")
    product_id = ObjectIdField(required=False, help_text="ObjectId of the product.")
    limit = CountField(
        min_value=1, max_value=MOST_ORDERS, required=False, help_text="At most this many, the oldest first."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        problems = OrderQuery(since=attrs.get("created_from"), before=attrs.get("created_before")).problems
        if problems:
            raise serializers.ValidationError({"created_before": [*problems.values()]})
        return attrs


class BulkTransitionSerializer(ExactSerializer):
    """Which orders, by `ids` or by `filter`, and which transition."""

    transition = serializers.ChoiceField(choices=[(name, name) for name in transition_names()])
    ids = ManyField(
        child=KeyField(),
        required=False,
        allow_empty=False,
        max_length=MOST_IDS,
        help_text=f"Ids of orders, or their numbers as people write them; {MOST_IDS:,} at most.",
    )
    filter = FilterSerializer(required=False)
    reason = TextField(max_length=LONGEST_REASON, lines=True, required=False, allow_blank=True, default="")
    reason_code = serializers.ChoiceField(
        choices=[(code, code) for code in REASON_CODES],
        required=False,
        help_text="The reason as one of a short list; `other` needs a `reason`, too.",
    )
    dry_run = StrictBooleanField(required=False, default=False, help_text="Only say what would happen.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError("Give either ids or a filter.")
        if attrs.get("reason_code") == "other" and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["Say in words what the other reason is."]})
        return attrs

    def selection(self) -> OrderQuery:
        """The orders that a valid body is about.

        :raises MalformedUserId:
        """
        data: dict[str, Any] = self.validated_data
        if "ids" in data:
            return OrderQuery(keys=OrderKeys(data["ids"]))
        given = data["filter"]
        return OrderQuery(
            statuses=tuple(dict.fromkeys(given.get("status", ()))),
            since=given.get("created_from"),
            before=given.get("created_before"),
            user_id=canonical(given["user_id"]) if "user_id" in given else None,
            product_id=given["product_id"].lower() if "product_id" in given else None,
            limit=given.get("limit"),
        )


class RefusalSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    orders = serializers.IntegerField()


class PlanSerializer(serializers.Serializer[Any]):
    """What a run would do with the orders as they are now."""

    transition = serializers.ChoiceField(choices=[(name, name) for name in transition_names()])
    total = serializers.IntegerField(help_text="How many orders are selected.")
    can = serializers.IntegerField(help_text="How many would change.")
    already = serializers.IntegerField(help_text="How many are so already.")
    cannot = serializers.IntegerField()
    refused = RefusalSerializer(many=True, help_text="Why the others cannot, and how many.")
    units = serializers.IntegerField(allow_null=True, help_text="Units that it would release; null: too many to count.")


class OrderResultSerializer(serializers.Serializer[Any]):
    order_id = serializers.CharField(help_text="Its id; where there is no such order, what was asked for.")
    number = serializers.CharField(allow_blank=True)
    result = serializers.ChoiceField(choices=OUTCOMES)
    reason = serializers.CharField(allow_blank=True)


class RunSerializer(serializers.Serializer[Any]):
    """A run over many orders. It is over when `state` is done, cancelled or failed."""

    id = serializers.CharField()
    transition = serializers.ChoiceField(choices=[(name, name) for name in transition_names()])
    state = serializers.ChoiceField(choices=RUN_STATES)
    selection = serializers.DictField(help_text="Which orders, as it was asked.")
    reason_code = serializers.CharField(allow_blank=True, help_text="One of a short list; empty: none.")
    actor = serializers.CharField()
    via = serializers.CharField()
    total = serializers.IntegerField(help_text="Orders; final once `selected` is true.")
    selected = serializers.BooleanField()
    done = serializers.IntegerField()
    already = serializers.IntegerField()
    refused = serializers.IntegerField()
    failed = serializers.IntegerField()
    last_error = serializers.CharField(allow_blank=True, help_text="Why it pauses, was cancelled or failed.")
    paused_until = serializers.DateTimeField(allow_null=True, help_text="When a paused run goes on by itself.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    results = OrderResultSerializer(many=True, required=False, help_text="Only where one run is asked for.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # Not declared among the others: a field has an attribute by this name.
        return {**super().get_fields(), "reason": serializers.CharField(allow_blank=True)}


class ResultsParameters(serializers.Serializer[Any]):
    """What GET /orders/bulk-transitions/{run_id} understands."""

    result = serializers.ChoiceField(
        choices=[(name, name) for name in bulk.FILTERS],
        default="problems",
        help_text="Which results: by default those that were refused or failed.",
    )
    limit = WholeNumberField(min_value=1, max_value=1000, default=100, help_text="Results of one page.")
    cursor = PatternField(
        bulk.POSITION,
        expected="a cursor of this API",
        required=False,
        help_text="Where the last page ended: its `Next-Cursor`.",
    )
