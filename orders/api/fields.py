"""Fields as strict as the OpenAPI document says, with the patterns by which it describes them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

from orders.services.identifiers import EXPECTED, LONGEST_USER_ID, OBJECT_ID
from orders.services.lifecycle.drafts import LONGEST_METADATA_KEY, MOST_METADATA
from orders.services.text_rules import SHAPES, one_line, problem_of, several_lines

T = TypeVar("T")

PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
DIGITS = "[1-9][0-9]{0,9}"
INDEX = f"0|{DIGITS}"
PRICE = r"0\.(0[1-9]|[1-9][0-9]?)|[1-9][0-9]{0,7}(\.[0-9]{1,2})?"
"""More than 0, less than 100 million, at most two decimal places."""
AMOUNT = PRICE.replace("{0,7}", "{0,11}")
"""The same, less than a million million."""
MOST_ERRORS = 50
"""At most this many errors of a request are reported; validation stops there."""
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def anchored(pattern: str) -> str:
    """The pattern anchored at both ends, as JSON Schema needs it."""
    return f"^({pattern})$"


class WholeNumberField(serializers.IntegerField):
    """A whole number, as a JSON number or as text: not `1_0`, which Python would take for ten."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or (isinstance(data, str) and not PLAIN.match(data.strip())):
            self.fail("invalid")
        return super().to_internal_value(data)


class CountField(WholeNumberField):
    """A whole number in a body: a JSON number, or the digits of one as a string."""

    digits = DIGITS

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and not re.fullmatch(self.digits, data):
            self.fail("invalid")
        return super().to_internal_value(data)


class IndexField(CountField):
    """A place in a list, counted from 0."""

    digits = INDEX

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=2**31 - 1, **kwargs)


@extend_schema_field({"type": "string", "pattern": anchored(PRICE), "maxLength": 11})
class PriceField(serializers.DecimalField):
    """A price as a string, or as a JSON number."""

    pattern, digits = PRICE, 10

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=self.digits, decimal_places=2, min_value=Decimal("0.01"), **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str) and not re.fullmatch(self.pattern, data):
            self.fail("invalid")
        if isinstance(data, Decimal) and data.is_finite():
            data = _without_zeros(data)
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "pattern": anchored(AMOUNT), "maxLength": 15})
class AmountField(PriceField):
    """An amount of money, which may be the total of an order, as a price is given."""

    pattern, digits = AMOUNT, 14


def _without_zeros(number: Decimal) -> Decimal:
    """`1.100`, a JSON number of two decimal places too many, is 1.1."""
    short = number.normalize()
    return short if short == number else number


class TextField(serializers.CharField):
    """Text that satisfies :mod:`orders.services.text_rules`: a JSON string, never a number."""

    def __init__(self, *, max_length: int, lines: bool = False, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)
        self._tidied, self._longest = several_lines if lines else one_line, max_length

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str):
            if len(data.strip()) > self._longest:  # as it was sent, as the OpenAPI document says
                raise ValidationError(f"Ensure this field has no more than {self._longest} characters.")
            data = self._tidied(data)
            if problem := problem_of(data):
                raise ValidationError(problem)
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class CodeField(TextField):
    """A line of text, such as a postal code, that is often a number: a JSON integer is taken for its digits."""

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, int | Decimal) and not isinstance(data, bool) and 0 <= data < 10**self._longest:
            data = str(int(data)) if data == int(data) else data  # 17.0 is an integer in JSON
        return super().run_validation(data)


class ShapedField(TextField):
    """A line of text of a certain shape, such as an email address."""

    def __init__(self, shape: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape, self.expected = SHAPES[shape]

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not self.shape.fullmatch(text):
            raise ValidationError(self.expected)
        return text


class MetadataField(serializers.Field[dict[str, str], Any, dict[str, str], Any]):
    """Text by name; the services know how much of it, and which names."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            raise ValidationError("A JSON object is expected here.")
        if len(data) <= MOST_METADATA and (strange := [name for name in data if not isinstance(data[name], str)]):
            raise ValidationError({name[:LONGEST_METADATA_KEY]: ["A string is expected here."] for name in strange})
        return data

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        return value


def each_validated(values: list[Any], validate: Callable[[Any], T]) -> list[T]:
    """Validate the elements of a list, until MOST_ERRORS of them are wrong.

    :raises ValidationError: with the errors by index.
    """
    found: list[T] = []
    errors: dict[str, Any] = {}
    for index, value in enumerate(values):
        try:
            found.append(validate(value))
        except ValidationError as error:
            errors[str(index)] = error.detail
            if len(errors) > MOST_ERRORS:
                break
    if errors:
        raise ValidationError(errors)
    return found


class ManyField(serializers.ListField):
    """A list whose length is checked before any of its elements."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

    def run_child_validation(self, data: Any) -> list[Any]:
        return each_validated(list(data), self.child.run_validation)


class PatternField(serializers.CharField):
    """Text that must match a pattern exactly; blanks around it are not stripped."""

    def __init__(self, pattern: str, *, expected: str, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        self.pattern, self.expected = re.compile(pattern), expected

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not self.pattern.fullmatch(data):
            raise ValidationError(f"Expected is {self.expected}.")
        return data

    def to_representation(self, value: Any) -> str:
        return str(value)


@extend_schema_field({"type": "string", "minLength": 1, "maxLength": LONGEST_USER_ID})
class UserIdField(serializers.Field[str, Any, str, Any]):
    """A user id as text; a JSON integer is taken as well, as the user service writes them."""

    def to_internal_value(self, data: Any) -> str:
        text = str(data) if isinstance(data, int) and not isinstance(data, bool) else data
        if isinstance(data, Decimal) and data == data.to_integral_value():
            text = str(int(data))  # 17.0 is an integer in JSON
        if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_USER_ID:
            raise ValidationError(EXPECTED)
        return text  # the services decide whether it is a known id

    def to_representation(self, value: str) -> str:
        return value


class StrictBooleanField(serializers.BooleanField):
    """true or false, and nothing that merely converts to one of them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


@extend_schema_field({"type": "string", "format": "date-or-date-time"})
class MomentField(serializers.Field[datetime, Any, str, Any]):
    """A date, or a datetime (UTC where it names no zone). As an end, a date means the whole of that day."""

    def __init__(self, *, whole_day: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.whole_day = whole_day

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            raise ValidationError("Expected is a string: a date or a datetime.")
        # A plus sign that was not escaped arrives as a space.
        text = re.sub(r" (\d\d:?\d\d)\Z", r"+\1", data.strip())
        try:
            if day := parse_date(text):
                return self._bound(datetime.combine(day, time(), tzinfo=UTC), timedelta(days=1))
            if moment := parse_datetime(text):
                return self._bound(_in_utc(moment), timedelta(milliseconds=1))
        except ValueError:
            pass
        raise ValidationError("Neither a date (2026-01-31) nor a datetime (2026-01-31T12:00:00Z).")

    def _bound(self, start: datetime, length: timedelta) -> datetime:
        if not self.whole_day:
            return start
        return start + length if start <= LATEST - length else LATEST

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


def _in_utc(moment: datetime) -> datetime:
    """In UTC; what would lie beyond the years 1 to 9999 there is their beginning or end."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return EARLIEST if moment.year == 1 else LATEST


class ObjectIdField(PatternField):
    """An ObjectId as text, in the spelling that was sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(OBJECT_ID, expected="an ObjectId: 24 hex digits", min_length=24, max_length=24, **kwargs)
