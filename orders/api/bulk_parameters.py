"""The query parameters of a run: which results, and from which position."""

import re
from typing import Any

from bson import ObjectId
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from orders.api.fields import OBJECT_ID, PatternField, WholeNumberField
from orders.services import bulk


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


def run_id(text: str) -> ObjectId:
    """:raises ValidationError: if it is no ObjectId."""
    if not re.fullmatch(OBJECT_ID, text):
        raise ValidationError({"run_id": ["Not an ObjectId: 24 hex digits are expected."]})
    return ObjectId(text)
