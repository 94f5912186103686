"""The statuses of an order and the stock states of a line."""

from datetime import UTC, datetime
from enum import StrEnum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Earlier than any stored time: by it, partial indexes leave out the orders that have none."""


class Status(TextChoices):
    """The seven public statuses of the specification, and those of a draft: one under way, one rejected."""

    PLACING = "placing", _("Draft")
    PENDING = "pending", _("Pending")
    PAID = "paid", _("Paid")
    PROCESSING = "processing", _("Processing")
    SHIPPED = "shipped", _("Shipped")
    DELIVERED = "delivered", _("Delivered")
    CANCELLED = "cancelled", _("Cancelled")
    REFUNDED = "refunded", _("Refunded")
    REJECTED = "rejected", _("Rejected")


PUBLIC_STATUSES = tuple(status.value for status in Status if status not in (Status.PLACING, Status.REJECTED))
"""What the storefront may see; the other two never leave the backoffice."""
DATED_STATUSES = tuple(
    status.value for status in (Status.PAID, Status.SHIPPED, Status.DELIVERED, Status.CANCELLED, Status.REFUNDED)
)
"""An order keeps when it came to one of these, e.g. as `paid_at`."""


class LineState(TextChoices):
    """What is known about one line's stock.

    `none → reserving → reserved → (used | releasing → released)`; `unknown` waits for a person.
    """

    NONE = "none", _("Not reserved")
    RESERVING = "reserving", _("Reserving")
    RESERVED = "reserved", _("Reserved")
    USED = "used", _("Shipped")
    RELEASING = "releasing", _("Releasing")
    RELEASED = "released", _("Released")
    UNKNOWN = "unknown", _("Unconfirmed")


DUE_STATES = (LineState.RESERVING.value, LineState.RELEASING.value)
"""A line in one of these is due a call to inventory: its order has a `stock_due_at`."""


OPEN_STATES_OF_LINES = (LineState.RESERVED.value, LineState.NONE.value)
"""A line can be shipped or cancelled from these; orders that were imported reserved nothing."""


class StockCall(TextChoices):
    """The two calls that change inventory."""

    RESERVE = "reserve", _("Reserve")
    RELEASE = "release", _("Release")


class StockEffect(StrEnum):
    """What a transition means for the reserved lines: they stay, are released, or become used."""

    NOTHING = "nothing"
    RELEASE = "release"
    USE = "use"


class ChargeKind(TextChoices):
    """What is paid for beside the products, or taken off."""

    SHIPPING = "shipping", _("Shipping")
    TAX = "tax", _("Tax")
    DISCOUNT = "discount", _("Discount")
    FEE = "fee", _("Fee")


SHARED_CHARGES = (ChargeKind.TAX.value, ChargeKind.DISCOUNT.value)
"""What belongs to the lines, each its share; the other charges are of the order as a whole."""


class Removal(TextChoices):
    """How a line ceased to be part of what the customer gets."""

    CANCELLED = "cancelled", _("Cancelled")
    RETURNED = "returned", _("Returned")
