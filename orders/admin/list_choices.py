"""What the reader of the list has chosen: its columns, its order, and the views that they keep under a name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from django.http import QueryDict
from django.utils.functional import cached_property

from orders.admin import list_columns, list_rows
from orders.admin.list_form import HIGHEST, LATEST, LONGEST, LOWEST, NEWEST, OLDEST, SORTED, SORTS, ListForm
from orders.admin.list_views import Parameters, address, same, token_of
from orders.models import SavedView
from orders.services import saved_views
from orders.services.access import SHARE_VIEWS
from orders.services.order_queries import OrderQuery, Page

PAIRS = {
    "placed": (NEWEST, OLDEST),
    "total": (HIGHEST, LOWEST),
    "status_badge": (LONGEST, LATEST),
    list_columns.AGE: (LONGEST, LATEST),
}
"""Column → the orders that its heading leads to, the usual one first."""
UPWARDS = (OLDEST, LOWEST, LONGEST)
BY_AGE = (LONGEST, LATEST)
MOST_TABS = 5
"""So many saved views stand beside the built-in ones; all are in the menu."""


@dataclass(frozen=True)
class Head:
    """A column's heading.

    :ivar address: of the list sorted by it; empty where it cannot be.
    :ivar leads_to: the order that it leads to, in words.
    :ivar sorted: `ascending` or `descending` where the list is sorted by it.
    """

    column: list_rows.Column
    address: str = ""
    leads_to: str = ""
    sorted: str = ""


@dataclass(frozen=True)
class Saved:
    """A view that somebody keeps, and whether it is the one that is shown."""

    view: SavedView
    address: str
    active: bool


class ListChoices:
    """A part of the list's own class, which has read the address."""

    reader: Any
    form: ListForm
    asked: Parameters
    order_query: OrderQuery
    page: Page
    first_row: int

    @cached_property
    def sort(self) -> str:
        return str(getattr(self.form, "cleaned_data", {}).get("sort") or NEWEST)

    @property
    def sort_words(self) -> str:
        """E.g. `newest first`."""
        return str(SORTED[self.sort])

    @property
    def unsorted_address(self) -> str:
        """Of the same list by the date of placing, which is found sooner; empty where it is so sorted."""
        rest = {name: values for name, values in self.asked.items() if name != "sort"}
        return address(rest) if self.order_query.is_sorted else ""

    @cached_property
    def chosen_columns(self) -> list[str]:
        """Those of the address, else the reader's own, else the usual ones."""
        asked = getattr(self.form, "cleaned_data", {}).get("columns")
        known = [name for name in asked or saved_views.columns_of(self.reader.pk) if name in list_columns.COLUMNS]
        return known or [*list_columns.USUAL]

    @cached_property
    def columns(self) -> list[list_rows.Column]:
        """What is shown: what a list is sorted by is in sight."""
        return list_rows.columns([*self.chosen_columns, *([list_columns.AGE] if self.sort in BY_AGE else [])])

    @property
    def column_choices(self) -> list[tuple[str, str, bool]]:
        """Each column that can be chosen, what it is called, and whether it is."""
        return [(name, str(label), name in self.chosen_columns) for name, label in list_columns.COLUMNS.items()]

    @property
    def heads(self) -> Iterator[Head]:
        shown = {column.name for column in self.columns}
        for column in self.columns:
            pair = PAIRS.get(column.name)
            if pair is None or (column.name == "status_badge" and list_columns.AGE in shown):
                yield Head(column)
                continue
            goal = pair[1] if self.sort == pair[0] else pair[0]
            is_sorted = "" if self.sort not in pair else "ascending" if self.sort in UPWARDS else "descending"
            to = address(self.asked | {"sort": [goal]})
            yield Head(column, to, str(SORTS[goal][0]), is_sorted)

    @property
    def places_kept(self) -> dict[ObjectId, str]:
        """What the address of an order's page says of its place, where the order may lose it by what is done there."""
        if self.sort not in BY_AGE:
            return {}
        rows = enumerate(self.page.places, self.first_row)
        return {place.id: f"&place={token_of(row, place)}" for row, place in rows}

    @cached_property
    def saved(self) -> list[Saved]:
        """The reader's own views and those that others share."""
        views = saved_views.views_for(self.reader.pk)
        return [Saved(view, f"?{view.query}", same(_parameters(view), self.asked)) for view in views]

    @property
    def saved_tabs(self) -> list[Saved]:
        return [saved for place, saved in enumerate(self.saved) if place < MOST_TABS or saved.active]

    @property
    def may_share(self) -> bool:
        return bool(self.reader.has_perm(SHARE_VIEWS))

    @property
    def to_save(self) -> str:
        """What a view of this list would keep: its address, with the columns unless they are the usual ones."""
        columns = [*self.chosen_columns]
        kept = {name: values for name, values in self.asked.items() if name != "columns"}
        return address(kept | ({"columns": columns} if columns != [*list_columns.USUAL] else {}))[1:]


def _parameters(view: SavedView) -> Parameters:
    return {name: list(values) for name, values in QueryDict(view.query).lists()}
