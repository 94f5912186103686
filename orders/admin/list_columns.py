"""What the columns of the list say."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from orders.admin import local_formats
from orders.admin.local_formats import day, exact
from orders.models import Order

FIRST = "number"
"""The column that is always there: it leads to the order."""
AGE = "age"
COLUMNS = {
    "customer": gettext_lazy("Customer"),
    "placed": gettext_lazy("Placed"),
    "contents": gettext_lazy("Items"),
    "total": gettext_lazy("Total"),
    "status_badge": gettext_lazy("Status"),
    AGE: gettext_lazy("In status since"),
    "stock": gettext_lazy("Stock"),
    "flags": gettext_lazy("Alerts"),
}
"""The others, in their order, by the methods of the list that fill them."""
USUAL = tuple(name for name in COLUMNS if name != AGE)
"""What somebody sees who has chosen none."""
A_MONTH = timedelta(days=31)


def ago(moment: datetime, now: datetime) -> SafeString:
    """How long ago something was, with the exact time for whoever points at it."""
    iso, words = moment.isoformat(timespec="seconds"), in_words(moment, now)
    return format_html('<time datetime="{}" title="{}">{}</time>', iso, exact(moment), words)


def in_words(moment: datetime, now: datetime) -> str:
    """`3 hours ago`; beyond a month the day."""
    return day(moment) if now - moment >= A_MONTH else local_formats.ago(moment, now)


def contents(order: Order) -> SafeString:
    """The first line by its product's name, which leads to the other orders of it, and how much there is besides."""
    if not order.items:
        return format_html("{}", _("no items"))
    first, others = order.items[0], len(order.items) - 1
    link = format_html(
        '<span class="order-item">{} × <a class="order-link{}" href="?{}" title="{}"><bdi>{}</bdi></a></span>',
        local_formats.count(first.quantity), "" if first.name else " order-code",
        urlencode({"product": first.product_id}), _("Orders with this product"), first.name or first.product_id,
    )  # fmt: skip
    if not others:
        return link
    told = ngettext("and %(others)s more item, %(units)s units", "and %(others)s more items, %(units)s units", others)
    units = sum(item.quantity for item in order.items)
    more = told % {"others": local_formats.count(others), "units": local_formats.count(units)}
    return format_html('{} <span class="order-more">{}</span>', link, more)


def customer(order: Order) -> SafeString:
    """The customer's name and e-mail address, and the user's id, which leads to all orders of this user."""
    told = [text for text in (order.contact.name, order.contact.email) if text]
    link = format_html(
        '<a class="order-link" href="?{}" title="{}"><bdi>{}</bdi></a>',
        urlencode({"user": order.user_id}), _("All orders of this customer"), told[0] if told else order.user_id,
    )  # fmt: skip
    user = _("id %(user)s").replace(" ", "\xa0") % {"user": order.user_id}
    others = [*told[1:], *([user] if told else [])]
    return link + format_html_join("", ' <span class="order-more"><bdi>{}</bdi></span>', ((text,) for text in others))
