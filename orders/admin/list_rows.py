"""The rows of the list. Rendered here instead of by the theme's templates, which take most of a page's time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.widgets import CHECKBOX_CLASSES

from orders.admin import list_columns
from orders.models import Order

CHECKBOX = "action_checkbox"
CHECKBOX_CLASS = " ".join(CHECKBOX_CLASSES)


@dataclass(frozen=True)
class Column:
    """A column by the name of the admin's method that fills it."""

    name: str
    label: str


def columns(names: Iterable[str]) -> list[Column]:
    """The first column, which leads to the order, and those of the others that are named."""
    wanted = {*names}
    others = [Column(name, str(label)) for name, label in list_columns.COLUMNS.items() if name in wanted]
    return [Column(list_columns.FIRST, _("Number")), *others]


def rows(changelist: Any, shown: Sequence[Column]) -> Iterator[SafeString]:
    """Each row's cells; the first column leads to the order's page."""
    fills = [(column, getattr(changelist.model_admin, column.name)) for column in shown[1:]]
    first, with_checkbox = shown[0], CHECKBOX in changelist.list_display
    before, after = _address_of_a_page(changelist)
    places = changelist.places_kept
    for order in changelist.result_list:
        cells = format_html_join(
            "",
            '<td class="field-{}" data-label="{}"><div>{}</div></td>',
            ((column.name, column.label, fill(order)) for column, fill in fills),
        )
        yield format_html(
            '{}<th scope="row" class="field-{}" data-label="{}"><div><a href="{}{}{}">{}</a></div></th>{}',
            _checkbox(order) if with_checkbox else "",
            first.name, first.label, before, order.pk, f"{after}{places.get(order.pk, '')}", order, cells,
        )  # fmt: skip


def checkbox_of_all() -> SafeString:
    """What ticks every row of the page."""
    return format_html(
        '<input type="checkbox" id="action-toggle" class="action-toggle {}" aria-label="{}">',
        CHECKBOX_CLASS, _("Select all orders on this page"),
    )  # fmt: skip


def _checkbox(order: Order) -> SafeString:
    return format_html(
        '<td class="action-checkbox"><input type="checkbox" name="{}" value="{}" class="action-select {}"'
        ' aria-label="{}"></td>',
        ACTION_CHECKBOX_NAME, order.pk, CHECKBOX_CLASS, _("Select order %(number)s") % {"number": order},
    )  # fmt: skip


def _address_of_a_page(changelist: Any) -> tuple[str, str]:
    """What stands before and after an order's id in the address of its page, from which one comes back to this list."""
    here = {"preserved_filters": changelist.preserved_filters, "opts": changelist.opts}
    mark = Order(id="0" * 24)
    before, _, after = str(add_preserved_filters(here, changelist.url_for_result(mark))).partition(str(mark.pk))
    return before, after
