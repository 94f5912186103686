"""The query of a run's address: which results, and from where on."""

from typing import Any

from rest_framework import serializers

from orders.api.fields import PatternField, WholeNumberField
from orders.models.bulk_run import OrderOutcome
from orders.services import bulk

POSITION = "[0-9]{1,7}-[0-9]{1,5}"
PROBLEMS, ALL = "problems", "all"
SHOWN: dict[str, frozenset[str] | None] = {
    PROBLEMS: bulk.PROBLEMS,
    ALL: None,
    **{name: frozenset({name}) for name in OrderOutcome.values},
}


class PositionField(PatternField):
    """Where the last page ended; opaque to clients."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(POSITION, expected="a cursor of this API", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        batch, _, place = super().to_internal_value(data).partition("-")
        return int(batch), int(place)

    def to_representation(self, value: Any) -> str:
        return f"{value[0]}-{value[1]}"


class ResultsParameters(serializers.Serializer[Any]):
    """What GET /orders/bulk-transitions/{run_id} understands."""

    result = serializers.ChoiceField(
        choices=[(name, name) for name in SHOWN],
        default=PROBLEMS,
        help_text="Which results: by default those that were refused or failed.",
    )
    limit = WholeNumberField(min_value=1, max_value=1000, default=100, help_text="Results of one page.")
    cursor = PositionField(required=False, help_text="Where the last page ended: its `Next-Cursor`.")
