"""What the address of the list asks for: a form over its parameters, so that every bad value gets a clear message."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.views.main import IGNORED_PARAMS
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from orders.admin import list_fields
from orders.admin.list_columns import COLUMNS
from orders.admin.list_fields import LOOK, ME, AssigneeField
from orders.models import DATED_STATUSES, EPOCH, Status
from orders.services.colleagues import Colleague
from orders.services.days import day_bounds
from orders.services.identifiers import LONGEST_USER_ID, MalformedUserId, object_id, user_typed
from orders.services.order_queries import Alert, InvalidOrderQuery, Meanings, OrderQuery, Reached
from orders.services.searching import LONGEST_SEARCH, meanings_of
from orders.services.tags import LONGEST_TAG, tag_key, tidied

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

DAYS_REVERSED = gettext_lazy("The start date is after the end date.")
NEWEST, OLDEST = "newest", "oldest"
HIGHEST, LOWEST, LONGEST, LATEST = "highest", "lowest", "longest", "latest"
SORTS: dict[str, tuple[Any, dict[str, Any]]] = {
    NEWEST: (gettext_lazy("Newest first"), {}),
    OLDEST: (gettext_lazy("Oldest first"), {"oldest_first": True}),
    HIGHEST: (gettext_lazy("Highest total first"), {"lowest_first": False}),
    LOWEST: (gettext_lazy("Lowest total first"), {"lowest_first": True}),
    LONGEST: (gettext_lazy("Longest in their status first"), {"longest_first": True}),
    LATEST: (gettext_lazy("Latest change of status first"), {"longest_first": False}),
}
"""Each order of the list in words, and as a query has it."""
SORTED = {
    NEWEST: gettext_lazy("newest first"),
    OLDEST: gettext_lazy("oldest first"),
    HIGHEST: gettext_lazy("highest total first"),
    LOWEST: gettext_lazy("lowest total first"),
    LONGEST: gettext_lazy("longest in their status first"),
    LATEST: gettext_lazy("latest change of status first"),
}
"""The same inside a sentence."""
DATES = [("", gettext_lazy("Placed")), *((status, Status(status).label) for status in DATED_STATUSES)]
"""What the days of the list may be about."""

AFTER, BEFORE = "after", "before"
"""Parameters that say where a page of the list begins or ends."""
NARROW_NOT = ("q", "sort", "columns")
"""What does not make the list shorter; the search does, and has a box of its own."""


def read_by(query: QueryDict, user: "AbstractBaseUser | AnonymousUser") -> QueryDict:
    """What the address of the list asks for when this person reads it."""
    if query.get("assigned") != ME:
        return query
    asked = query.copy()
    asked["assigned"] = Colleague.of(user).id
    return asked


class ListForm(forms.Form):
    """The list's search and filters. Days are whole days of TIME_ZONE, both ends included, of what `date` names."""

    meanings: Meanings | None = None
    """Of the search, once it has been read."""

    q = forms.CharField(
        label=pgettext_lazy("what is searched for", "Search"), required=False, max_length=LONGEST_SEARCH
    )
    status = list_fields.several(gettext_lazy("Status"), Status.choices)
    flag = list_fields.several(gettext_lazy("Alerts"), Alert.choices)
    date = forms.ChoiceField(label=gettext_lazy("Date"), required=False, choices=DATES, widget=forms.Select(attrs=LOOK))
    since = list_fields.day(gettext_lazy("From"))
    until = list_fields.day(gettext_lazy("Until"))
    least = list_fields.money(gettext_lazy("Total from"))
    most = list_fields.money(gettext_lazy("Total up to"))
    product = forms.CharField(
        label=gettext_lazy("Product id"),
        required=False,
        widget=forms.TextInput(attrs=LOOK | {"autocomplete": "off", "spellcheck": "false"}),
    )
    user = forms.CharField(
        label=gettext_lazy("Customer (user id)"),
        required=False,
        max_length=LONGEST_USER_ID,
        widget=forms.TextInput(attrs=LOOK | {"autocomplete": "off", "spellcheck": "false"}),
    )
    assigned = AssigneeField(
        label=gettext_lazy("Assigned to"),
        required=False,
        choices=list_fields.assignees,
        widget=forms.Select(attrs=LOOK),
    )
    tag = forms.CharField(
        label=gettext_lazy("Tag"),
        required=False,
        max_length=LONGEST_TAG,
        widget=forms.TextInput(attrs=LOOK | {"autocomplete": "off"}),
    )
    sort = forms.ChoiceField(
        label=gettext_lazy("Sort by"),
        required=False,
        choices=[(name, label) for name, (label, _asked) in SORTS.items()],
        widget=forms.Select(attrs=LOOK),
    )
    columns = list_fields.several(gettext_lazy("Columns"), list(COLUMNS.items()))

    def clean_product(self) -> str:
        given = self.cleaned_data["product"]
        found = object_id(given)
        if given and found is None:
            raise ValidationError(_("A product id has 24 hexadecimal digits."))
        return str(found or "")

    def clean_user(self) -> str:
        given = self.cleaned_data["user"]
        try:
            return user_typed(given) if given else ""
        except MalformedUserId as error:
            raise ValidationError(error.detail) from error

    def clean_assigned(self) -> str:
        given = str(self.cleaned_data["assigned"])
        if given == ME:  # read by nobody
            raise ValidationError(_("Choose a colleague."))
        return given

    def clean_q(self) -> str:
        text = str(self.cleaned_data["q"]).strip()
        try:
            self.meanings = meanings_of(text) if text else None
        except InvalidOrderQuery as error:
            raise ValidationError(error.detail) from error
        return text

    def clean(self) -> dict[str, Any]:
        for name, problem in self.query(EPOCH).problems.items():
            self.add_error(name.removesuffix("_id"), str(DAYS_REVERSED) if name == "since" else problem)
        return self.cleaned_data

    def query(self, at: datetime) -> OrderQuery:
        """What the form asks for, as far as it can be read. :param at: the moment by which alerts are judged."""
        given = self.cleaned_data
        since, until, reached = given.get("since"), given.get("until"), given.get("date")
        span = {"since": day_bounds(since)[0] if since else None, "before": day_bounds(until)[1] if until else None}
        return OrderQuery(
            statuses=tuple(dict.fromkeys(given.get("status", ()))),
            alerts=tuple(dict.fromkeys(given.get("flag", ()))),
            at=at,
            user_id=given.get("user") or None,
            product_id=given.get("product") or None,
            least=given.get("least"),
            most=given.get("most"),
            assignee=given.get("assigned") or None,
            tag=tag_key(tidied(given.get("tag", ""))),
            **({"reached": Reached(reached, **span)} if reached else span),
            meanings=self.meanings,
            drafts=True,
            **SORTS[given.get("sort") or NEWEST][1],
        )

    def narrows(self) -> bool:
        """Tell whether anything but the search, the order and the columns is asked for."""
        return any(value not in ("", [], None) for name, value in self.cleaned_data.items() if name not in NARROW_NOT)

    def problems(self) -> list[str]:
        """What is wrong with each value that cannot be read."""
        return [
            _("%(filter)s: %(problem)s") % {"filter": self.fields[name].label, "problem": message}
            for name, found in self.errors.items()
            for message in found
        ]


def unknown_in(query: QueryDict) -> set[str]:
    """The parameters of an address that the list does not know."""
    return set(query) - {*ListForm.base_fields, AFTER, BEFORE, *IGNORED_PARAMS}
