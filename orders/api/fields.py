"""Numbers as JSON and people write them: not `1_0`, which Python would take for ten."""

import re
from decimal import Decimal
from typing import Any

from rest_framework import serializers

PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")


class WholeNumberField(serializers.IntegerField):
    """A whole number, as a JSON number or as text."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and not PLAIN.match(data.strip()):
            self.fail("invalid")
        return super().to_internal_value(data)


class PlainDecimalField(serializers.DecimalField):
    """A decimal, as a JSON number or as text."""

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str) and not PLAIN.match(data.strip()):
            self.fail("invalid")
        return super().to_internal_value(data)
