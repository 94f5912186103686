"""What the page of the list shows once it has been read: rows, tabs, filters, the ways to other pages, and sums."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.admin import list_rows, list_sums, local_formats
from orders.admin.labels import aware
from orders.admin.list_choices import ListChoices
from orders.admin.list_form import AFTER, BEFORE, NARROW_NOT, ListForm
from orders.admin.list_sums import Sums
from orders.admin.list_views import MOST_COUNTED, VIEWS, Chip, View, address, chips, query_of, same, token_of
from orders.admin.local_formats import count
from orders.admin.page_time import in_time
from orders.services import order_queries
from orders.services.order_queries import Place


class ListContents(ListChoices):
    """A part of the list's own class, which has read the address and the page.

    :ivar first_places: where the orders are that are added up, as far as the page was read off them.
    """

    now: datetime
    query: str
    list_display: Sequence[Any]
    places: dict[str, str]
    first_places: Sequence[Place] | None = None

    @property
    def rows(self) -> Iterator[SafeString]:
        return list_rows.rows(self, self.columns)

    @property
    def checkbox_of_all(self) -> SafeString:
        """The checkbox of the table's head; empty where there are no actions."""
        return list_rows.checkbox_of_all() if list_rows.CHECKBOX in self.list_display else SafeString()

    @property
    def last_row(self) -> int:
        return self.first_row + len(self.page.orders) - 1

    @property
    def rows_shown(self) -> str:
        """Which orders the page shows, in what order, and on the last page also how many there are."""
        told = _("Orders %(first)s–%(last)s, %(sorted)s")
        if not self.page.later:
            told = _("Orders %(first)s–%(last)s of %(last)s, %(sorted)s")
        return told % {"first": count(self.first_row), "last": count(self.last_row), "sorted": self.sort_words}

    @property
    def next_address(self) -> str:
        end = self.page.reached or (self.page.places[-1] if self.page.places else None)
        if not self.page.later or end is None:
            return ""
        return address(self.asked | {AFTER: [token_of(self.last_row, end)]})

    @property
    def next_label(self) -> str:
        if self.page.reached is None:
            return _("Next")
        return _("Search newer orders") if self.order_query.oldest_first else _("Search older orders")

    @property
    def reached(self) -> str:
        """How far the search has looked, where that was not to the end."""
        if self.page.reached is None:
            return ""
        moment = local_formats.minute(aware(self.page.reached.created_at))
        if self.order_query.oldest_first:
            return _("Only orders placed up to %(moment)s have been searched so far.") % {"moment": moment}
        return _("Only orders placed since %(moment)s have been searched so far.") % {"moment": moment}

    @property
    def previous_address(self) -> str:
        if not self.page.earlier:
            return ""
        if not self.page.orders:
            return self.first_address
        return address(self.asked | {BEFORE: [token_of(self.first_row, self.page.places[0])]})

    @property
    def first_address(self) -> str:
        return address(self.asked)

    @property
    def everywhere_address(self) -> str:
        """The same search over all orders."""
        return address({"q": self.asked["q"]}) if self.query and self.asked.keys() - {*NARROW_NOT} else ""

    @cached_property
    def sums(self) -> Sums | None:
        """How many orders the list has and what they come to; None where adding them takes too long."""
        if not self.page.orders or self.page.reached or (self.first_places is None and not self.places):
            return None
        return in_time(lambda: list_sums.sums_of(self.order_query, self.first_places))

    @property
    def filters(self) -> list[Any]:
        """The form's fields but the search and the columns, which have places of their own."""
        return [field for field in self.form if field.name not in ("q", "columns")]

    @property
    def chips(self) -> list[Chip]:
        names = in_time(self._names) or {}
        return list(chips(self.form, self.asked, {field: name for field, name in names.items() if name}))

    def _names(self) -> dict[str, str]:
        """What the customer and the product that are filtered by are called, where that is known."""
        user_id, product_id = self.order_query.user_id, self.order_query.product_id
        return {
            "user": order_queries.customer_name(user_id) if user_id else "",
            "product": order_queries.product_names([product_id]).get(product_id, "") if product_id else "",
        }

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the search box keeps of the address."""
        return [(name, value) for name, values in self.asked.items() if name != "q" for value in values]

    @property
    def tabs(self) -> list[tuple[View, bool, str]]:
        """Each view, whether it is the one that is shown, and how many orders it has, counted up to a cap."""
        shown = {name: values for name, values in self.asked.items() if name != "columns"}
        return [(view, same(view.parameters, shown), self._size_of(view)) for view in VIEWS]

    def _size_of(self, view: View) -> str:
        if not view.parameters:
            return ""
        form = ListForm(query_of(view.parameters))
        form.full_clean()
        size = in_time(lambda: order_queries.size(form.query(self.now), MOST_COUNTED + 1))
        if size is None:
            return ""
        return f"{count(MOST_COUNTED)}+" if size > MOST_COUNTED else count(size)
