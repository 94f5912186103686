"""The query of a run's address: which results, and from where on."""

import base64
import binascii
import re
from typing import Any

from bson import ObjectId
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from orders.api.fields import WholeNumberField
from orders.models.bulk import OrderOutcome
from orders.services import bulk

POSITION = re.compile(r"([0-9]{1,7})\.([0-9]{1,5})\Z")
PROBLEMS, ALL = "problems", "all"
SHOWN: dict[str, frozenset[str] | None] = {
    PROBLEMS: bulk.PROBLEMS,
    ALL: None,
    **{name: frozenset({name}) for name in OrderOutcome.values},
}


@extend_schema_field(OpenApiTypes.STR)
class PositionField(serializers.Field[tuple[int, int], str, str, Any]):
    """Where the last page ended; opaque to clients."""

    def to_internal_value(self, data: str) -> tuple[int, int]:
        try:
            found = POSITION.match(base64.urlsafe_b64decode(data.encode() + b"==").decode())
        except (binascii.Error, ValueError):
            found = None
        if found is None:
            raise ValidationError("Not a cursor of this API.")
        return int(found[1]), int(found[2])

    def to_representation(self, value: tuple[int, int]) -> str:
        return base64.urlsafe_b64encode(f"{value[0]}.{value[1]}".encode()).decode().rstrip("=")


class ResultsParameters(serializers.Serializer[Any]):
    """What GET /orders/bulk-transitions/{run_id} understands."""

    result = serializers.ChoiceField(
        choices=[(name, name) for name in SHOWN],
        default=PROBLEMS,
        help_text="Which results: by default those that were refused or failed.",
    )
    limit = WholeNumberField(min_value=1, max_value=1000, default=100)
    cursor = PositionField(required=False)


def run_id(text: str) -> ObjectId:
    """:raises ValidationError: if it is no ObjectId."""
    if not re.fullmatch(r"[0-9a-fA-F]{24}", text):
        raise ValidationError({"run_id": ["Not an ObjectId: 24 hex digits are expected."]})
    return ObjectId(text)
