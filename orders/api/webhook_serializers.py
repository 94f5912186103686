"""Webhook endpoints: the requests, which these serializers validate, and the answers, which they document."""

from typing import Any

from rest_framework import serializers

from orders.api.event_views import LARGEST_CURSOR
from orders.api.fields import ManyField, PatternField, StrictBooleanField, TextField, WholeNumberField
from orders.api.serializers import ExactSerializer
from orders.models import EVENT_TYPES
from orders.services.events.webhooks import LONGEST_DESCRIPTION, LONGEST_URL

TYPES = [(name, name) for name in EVENT_TYPES]
ADDRESS = f"https?://[!-~]{{1,{LONGEST_URL - len('https://')}}}"


class AddressField(PatternField):
    """An address to which webhooks are sent; the services decide whether it is one that may be."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ADDRESS, expected="an address that begins with https://, in visible ASCII", **kwargs)


def _types() -> ManyField:
    return ManyField(
        child=serializers.ChoiceField(choices=TYPES),
        max_length=len(TYPES),
        required=False,
        help_text="Types of events to be sent; empty: all, also those that are added in future.",
    )


def _description() -> TextField:
    return TextField(max_length=LONGEST_DESCRIPTION, required=False, allow_blank=True, help_text="For people.")


class CreateWebhookSerializer(ExactSerializer):
    """The body of POST /webhooks."""

    url = AddressField(help_text="An https address on the public internet.")
    types = _types()
    description = _description()


class ChangeWebhookSerializer(ExactSerializer):
    """The body of PATCH /webhooks/{id}: what is left out stays as it is."""

    url = AddressField(required=False, help_text="An https address on the public internet.")
    types = _types()
    description = _description()
    active = StrictBooleanField(
        required=False, help_text="False: nothing is sent. True: go on, at once, where the cursor is."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Nothing is to be changed.")
        return attrs


class ReplaySerializer(ExactSerializer):
    """The body of POST /webhooks/{id}/replay."""

    after = WholeNumberField(
        min_value=0,
        max_value=LARGEST_CURSOR,
        help_text="Send all events with a larger cursor, those that were sent already once more.",
    )


class DeliverySerializer(serializers.Serializer[Any]):
    """One call to an endpoint."""

    cursor = serializers.IntegerField(help_text="Of the event.")
    event_id = serializers.CharField(help_text="Its id, sent as `webhook-id`.")
    type = serializers.CharField()
    status = serializers.IntegerField(allow_null=True, help_text="What was answered; null: nothing was.")
    milliseconds = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True, help_text="Why nothing was answered.")
    at = serializers.DateTimeField()


class TestDeliverySerializer(serializers.Serializer[Any]):
    """What became of a test event."""

    delivered = serializers.BooleanField(help_text="It was answered with a status from 200 to 299.")
    status = serializers.IntegerField(allow_null=True, help_text="What was answered; null: nothing was.")
    milliseconds = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True, help_text="Why nothing was answered.")


class WebhookSerializer(serializers.Serializer[Any]):
    """An endpoint to which events are sent."""

    id = serializers.CharField()
    url = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    types = serializers.ListField(child=serializers.CharField(), help_text="Empty: all.")
    active = serializers.BooleanField()
    stopped_because = serializers.CharField(
        allow_blank=True, help_text="Why the service switched it off; empty if it did not."
    )
    secrets = serializers.IntegerField(help_text="How many secrets events are signed with: several during a rotation.")
    cursor = serializers.IntegerField(help_text="Of the last event that it has dealt with.")
    lag = serializers.IntegerField(help_text="How many events the feed has beyond that.")
    failures = serializers.IntegerField(help_text="Calls that failed in a row.")
    failing_since = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True, help_text="It is not called again before; null: at once.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    deliveries = DeliverySerializer(
        many=True, required=False, help_text="The last ones, the newest first; only where one endpoint is asked for."
    )
    secret = serializers.CharField(
        required=False,
        help_text="The newest secret, to verify signatures with; only where it has just been made. It is not shown "
        "again.",
    )
