"""The kinds of fields of the list's form: days, amounts, several choices, and a colleague."""

from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import INPUT_CLASSES

from orders.services.colleagues import everybody_on_the_staff
from orders.services.identifiers import object_id
from orders.services.order_queries import NOBODY

LAST_DAY = date(9998, 12, 31)
ME = "me"
"""Who reads the list, in place of a colleague: an address means something to everybody who opens it."""
LOOK = {"class": " ".join(INPUT_CLASSES)}


def several(label: Any, choices: list[tuple[str, Any]]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, required=False, choices=choices, widget=forms.CheckboxSelectMultiple()
    )


def day(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        validators=[MaxValueValidator(LAST_DAY)],
        error_messages={"invalid": gettext_lazy("Enter a date as YYYY-MM-DD, for example 2026-03-31.")},
        widget=forms.DateInput(attrs=LOOK | {"type": "date"}, format="%Y-%m-%d"),
    )


def money(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=2,
        widget=forms.NumberInput(attrs=LOOK | {"inputmode": "decimal", "step": "0.01", "min": "0"}),
    )


def assignees() -> list[tuple[str, str]]:
    told = [
        (colleague.id, colleague.name if is_active else _("%(name)s (deactivated)") % {"name": colleague.name})
        for colleague, is_active in everybody_on_the_staff()
    ]
    return [("", _("Anyone")), (ME, _("Me")), (NOBODY, _("Nobody (open orders)")), *told]


class AssigneeField(forms.ChoiceField):
    """A colleague by the id of their login; orders stay assigned to logins that are gone."""

    def valid_value(self, value: Any) -> bool:
        return super().valid_value(value) or object_id(str(value)) is not None
