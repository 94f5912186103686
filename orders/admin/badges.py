"""Badges: the word for a state and its colour, the same on every page of the backoffice."""

from collections.abc import Iterable

from django.db.models import TextChoices
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from orders.admin import labels
from orders.models import BulkState, EndpointState, LineState, OrderOutcome, Status, Stock
from orders.services.order_queries import Alert
from orders.services.service_tokens import TokenState

GOOD, INFO, WAIT, BAD, MUTED = "good", "info", "wait", "bad", "muted"
"""Done; under way; waits for somebody; went wrong; over, or nothing to say."""

TONES: dict[str, str] = {
    **dict.fromkeys(Alert, WAIT),
    Alert.SNOOZED: MUTED,
    Status.PENDING: WAIT,
    Status.PAID: INFO,
    Status.PROCESSING: INFO,
    Status.SHIPPED: GOOD,
    Status.DELIVERED: GOOD,
    LineState.RESERVING: WAIT,
    LineState.USED: GOOD,
    LineState.RELEASING: WAIT,
    LineState.UNKNOWN: BAD,  # the alert has the same name, and the same colour
    BulkState.QUEUED: INFO,
    BulkState.SELECTING: INFO,
    BulkState.RUNNING: INFO,
    BulkState.PAUSED: WAIT,
    BulkState.DONE: GOOD,
    BulkState.FAILED: BAD,
    OrderOutcome.REFUSED: WAIT,
    EndpointState.ON: GOOD,
    EndpointState.FAILING: WAIT,
    EndpointState.STOPPED: BAD,
    TokenState.ACTIVE: GOOD,
    TokenState.REVOKED: BAD,
    "open": INFO,
    "returning": WAIT,
}
"""The tone of a state by its value, so that what has one name has one colour; the others are muted."""

PARTS = {
    "open": gettext_lazy("To ship"),
    "shipped": gettext_lazy("Shipped"),
    "returning": gettext_lazy("Coming back"),
    "returned": gettext_lazy("Returned"),
    "cancelled": gettext_lazy("Cancelled"),
}
"""What has become of a line of an order, by `orders.services.public_order.LINE_STATES`."""
NUMBERED_PARTS = {
    "shipped": gettext_lazy("Shipped in parcel %(number)s"),
    "returning": gettext_lazy("Coming back (return %(number)s)"),
    "returned": gettext_lazy("Returned (return %(number)s)"),
}
"""The same where it is known with which parcel it left, or in which return it comes back."""


def badge(state: str, words: object) -> SafeString:
    """:param state: whose colour it has; :param words: what stands on it."""
    return format_html('<span class="badge tone-{}">{}</span>', TONES.get(state, MUTED), words)


def of(state: TextChoices) -> SafeString:
    """A status, an alert, or the state of a run, of one of its orders, or of a webhook."""
    return badge(state, state.label)


def of_stock(stock: Stock) -> SafeString:
    """What is known of a line's stock; less of it released than there was is a name of its own."""
    return of(Alert.SHORT) if stock.discrepancy else badge(stock.state, labels.stock(stock))


def in_a_row(badges: Iterable[SafeString]) -> SafeString:
    """Each of them once, in their order."""
    return mark_safe(" ".join(dict.fromkeys(badges)))  # noqa: S308 - made of what is safe
