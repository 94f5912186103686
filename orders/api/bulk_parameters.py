"""The query parameters of a run: which results, and from which position."""

from typing import Any

from rest_framework import serializers

from orders.api.fields import PatternField, WholeNumberField
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
