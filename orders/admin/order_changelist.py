"""The list as Django's admin understands one, read by position off the indexes instead of by number."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core.paginator import Paginator
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from orders.admin import list_rows, list_sums, local_formats
from orders.admin.labels import aware
from orders.admin.list_choices import ListChoices
from orders.admin.list_form import AFTER, BEFORE, NARROW_NOT, ListForm, read_by
from orders.admin.list_sums import Sums
from orders.admin.list_views import (
    MOST_COUNTED,
    VIEWS,
    Chip,
    Parameters,
    View,
    address,
    chips,
    place_of,
    query_of,
    same,
    token_of,
)
from orders.admin.local_formats import count
from orders.models import Order
from orders.services import order_queries
from orders.services.order_queries import OrderQuery, Page, Place, is_meant, time_limit

T = TypeVar("T")


class OrderChangeList(ListChoices, ChangeList):
    """One page of the list. Everything it shows is told by its address.

    :ivar problem: why no order is shown although there may be some; empty if there is no problem.
    :ivar first_places: where the orders are that are added up, as far as the page was read off them.
    """

    problem = ""
    first_places: Sequence[Place] | None = None

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.now, self.reader = timezone.now(), request.user
        super().__init__(request, *args, **kwargs)
        self.title = _("Orders")

    def get_filters(self, request: HttpRequest) -> tuple[list[Any], bool, dict[str, Any], bool, bool]:
        """Read the address into the form. Django's own filters are not used: they would count and scan."""
        given: Parameters = {name: list(values) for name, values in self.get_filters_params().items()}
        for name in given:
            if name not in {*ListForm.base_fields, AFTER, BEFORE}:
                raise DisallowedModelAdminLookup(f"Filtering by {name} not allowed")
        self.places = {name: given.pop(name)[-1] for name in (AFTER, BEFORE) if name in given}
        self.asked = given | ({"q": [self.query]} if self.query else {})
        self.form = ListForm(read_by(request.GET, request.user))
        return [], False, {}, False, self.form.is_valid() and self.form.narrows()

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Order]:
        """All orders: for actions, which narrow it to the chosen ones. The page is read by :meth:`get_results`."""
        self.filter_specs, self.has_filters, *_, self.has_active_filters = self.get_filters(request)
        self.clear_all_filters_qs = "?"
        if request.POST.get("select_across") == "1":
            return self.root_queryset.none()  # "all" would mean every order, not those of the filter
        return self.root_queryset

    def get_results(self, request: HttpRequest) -> None:
        if self.form.is_valid():
            self.order_query = self.form.query(self.now)
            found = self._in_time(lambda: self._page(request, self.order_query))
            if found is None:
                self.problem = "too wide"
        else:
            self.order_query, found, self.problem = OrderQuery(), None, "unreadable"
        self.page, self.first_row = found or (Page(), 1)
        self._tell_django()

    def _page(self, request: HttpRequest, query: OrderQuery) -> tuple[Page, int]:
        """The page and the number of its first row, as far as it is known: orders that came since shift it."""
        size, place = self.list_per_page, self._place(request, query)
        if place is None:
            page, self.first_places = order_queries.first_page(query, size, list_sums.MOST + 1, list_sums.SECONDS)
            return page, 1
        row, position = place
        if AFTER in self.places:
            return order_queries.page_after(query, size, position), row + 1
        page = order_queries.page_before(query, size, position)
        return page, max(row - len(page.orders), 1) if page.earlier else 1

    def _place(self, request: HttpRequest, query: OrderQuery) -> tuple[int, Place] | None:
        token = self.places.get(AFTER) or self.places.get(BEFORE)
        if not token:
            return None
        place = place_of(token, query)
        if place is None:
            messages.warning(request, _("That page link is not valid; showing the first page."))
        return place

    def _in_time(self, read: Callable[[], T]) -> T | None:
        """What is read, or None if it takes longer than a page may."""
        try:
            with time_limit(settings.BACKOFFICE_QUERY_MS / 1000):
                return read()
        except DatabaseError as error:
            if getattr(error.__cause__, "timeout", False):
                return None
            raise

    def _tell_django(self) -> None:
        self.result_list = self.page.orders
        self.result_count = self.full_result_count = len(self.page.orders)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.paginator = Paginator(self.page.orders, self.list_per_page)

    @property
    def rows(self) -> Iterator[SafeString]:
        return list_rows.rows(self, self.columns)

    @property
    def checkbox_of_all(self) -> SafeString:
        """The checkbox of the table's head; empty where there are no actions."""
        return list_rows.checkbox_of_all() if list_rows.CHECKBOX in self.list_display else SafeString()

    @property
    def only_hit(self) -> Order | None:
        """The order whose number or id was searched for, if nothing else was asked for or found."""
        meanings = self.order_query.meanings
        if meanings is None or self.places or self.has_active_filters or len(self.page.orders) != 1:
            return None
        [hit] = self.page.orders
        numbered = meanings.number is not None and is_meant(meanings.number, hit.number)
        return hit if hit.pk == meanings.order_id or numbered else None

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
        return self._in_time(lambda: list_sums.sums_of(self.order_query, self.first_places))

    @property
    def filters(self) -> list[Any]:
        """The form's fields but the search and the columns, which have places of their own."""
        return [field for field in self.form if field.name not in ("q", "columns")]

    @property
    def chips(self) -> list[Chip]:
        names = self._in_time(self._names) or {}
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
        size = self._in_time(lambda: order_queries.size(form.query(self.now), MOST_COUNTED + 1))
        if size is None:
            return ""
        return f"{count(MOST_COUNTED)}+" if size > MOST_COUNTED else count(size)
