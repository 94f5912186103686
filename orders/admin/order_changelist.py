"""The list as Django's admin understands one, read by position off the indexes instead of by number."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from orders.admin import list_sums
from orders.admin.list_contents import ListContents
from orders.admin.list_form import AFTER, BEFORE, ListForm, read_by
from orders.admin.list_views import Parameters, place_of
from orders.admin.page_time import in_time
from orders.models import Order
from orders.services import order_queries
from orders.services.order_queries import OrderQuery, Page, Place, is_meant


class OrderChangeList(ListContents, ChangeList):
    """One page of the list. Everything it shows is told by its address.

    :ivar problem: why no order is shown although there may be some; empty if there is no problem.
    """

    problem = ""

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
            found = in_time(lambda: self._page(request, self.order_query))
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

    def _tell_django(self) -> None:
        self.result_list = self.page.orders
        self.result_count = self.full_result_count = len(self.page.orders)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.paginator = Paginator(self.page.orders, self.list_per_page)

    @property
    def only_hit(self) -> Order | None:
        """The order whose number or id was searched for, if nothing else was asked for or found."""
        meanings = self.order_query.meanings
        if meanings is None or self.places or self.has_active_filters or len(self.page.orders) != 1:
            return None
        [hit] = self.page.orders
        numbered = meanings.number is not None and is_meant(meanings.number, hit.number)
        return hit if hit.pk == meanings.order_id or numbered else None
