"""The feed of events."""

import re
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from orders.api import parameters
from orders.api.fields import ObjectIdField, PatternField, WholeNumberField
from orders.api.operations import ALWAYS, operation, problems
from orders.api.presentation import present_event
from orders.api.rendering import answer
from orders.api.serializers import OrderSerializer
from orders.api.viewsets import LimitedViewSet, caller
from orders.models import EVENT_TYPES
from orders.services.events import reading

LARGEST_CURSOR = 2**53 - 1
"""Beyond it JavaScript's numbers are not exact."""


class TypesField(PatternField):
    """Types of events, separated by commas."""

    def __init__(self, **kwargs: Any) -> None:
        one = "|".join(map(re.escape, EVENT_TYPES))
        super().__init__(f"({one})(,({one}))*", expected="one type or more", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        types = data.split(",")
        if unknown := [kind for kind in types if kind not in EVENT_TYPES]:
            raise serializers.ValidationError(
                f"There is no type {unknown[0][:100]!r}. Known: {', '.join(EVENT_TYPES)}."
            )
        return tuple(dict.fromkeys(types))


class EventsParameters(serializers.Serializer[Any]):
    """What GET /events understands."""

    after = WholeNumberField(
        min_value=0,
        max_value=LARGEST_CURSOR,
        required=False,
        help_text="The `cursor` of the last event that you know; without it, from the oldest that is kept.",
    )
    limit = WholeNumberField(min_value=1, max_value=reading.LONGEST_PAGE, default=100, help_text="Events of one page.")
    types = TypesField(required=False, help_text="Only these types, separated by commas.")
    order_id = ObjectIdField(required=False, help_text="Only the events of this order.")


class EventOrderSerializer(OrderSerializer):
    """An order as it was told; null in events of no order, and once personal data was erased from it."""


class EventSerializer(serializers.Serializer[Any]):
    """Something that happened. The types are open: others may be added."""

    cursor = serializers.IntegerField(help_text="Its number in the feed, which has no gaps.")
    id = serializers.CharField(help_text="Stays the same whenever and wherever it is told again.")
    type = serializers.CharField(help_text="E.g. `order.paid`.")
    sequence = serializers.IntegerField(
        allow_null=True,
        help_text="Its number among the events of its order, which has no gaps for admins; null without an order.",
    )
    order_id = serializers.CharField(allow_null=True)
    number = serializers.CharField(allow_null=True, help_text="Of the order.")
    version = serializers.IntegerField(allow_null=True, help_text="Of the order as it is told here.")
    at = serializers.DateTimeField(help_text="When it happened.")
    actor = serializers.CharField(help_text="Who did it; customers learn only the kind of others.")
    order = EventOrderSerializer(allow_null=True, help_text="As it was when this was told, perhaps later than `at`.")
    content_digest = serializers.CharField(required=False, help_text="SHA-256 of `actor`, `data` and `order` (admins).")
    digest = serializers.CharField(required=False, help_text="SHA-256 that links it to the event before (admins).")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # Not declared: a serializer has an attribute by this name.
        data = serializers.DictField(help_text="What its entry in the history says.")
        return {**super().get_fields(), "data": data}


@extend_schema(tags=["events"])
class EventViewSet(LimitedViewSet):
    """Events."""

    @operation(
        operation_id="list_events",
        parameters=[EventsParameters],
        responses={
            200: EventSerializer(many=True),
            **problems(
                e400="A parameter is not understood.",
                e409="The feed has not come to this cursor.",
                e410="Events after this cursor have been deleted.",
            ),
            **ALWAYS,
        },
    )
    def list(self, request: Request) -> HttpResponse:
        """List events in the order of the feed: all for admins, those of own orders for customers.

        Ask again with `after` set to `Next-Cursor`, which each answer has: no event up to it is missing. `Link` leads
        there if there may be more to read at once.
        """
        given = parameters.read(EventsParameters, request)
        actor = caller(request)
        order_id = parameters.order_id(given["order_id"]) if "order_id" in given else None
        page = reading.events_after(
            actor, given.get("after"), limit=given["limit"], types=given.get("types"), order_id=order_id
        )
        response = answer([present_event(event, actor) for event in page.events])
        response["Next-Cursor"] = str(page.next)
        if page.more:
            address = replace_query_param(request.build_absolute_uri(), "after", page.next)
            response["Link"] = f'<{address}>; rel="next"'
        return response
