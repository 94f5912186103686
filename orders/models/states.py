"""The statuses of an order and the stock states of a line."""

from datetime import UTC, datetime

from django.db.models import TextChoices

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Earlier than any stored time: by it, partial indexes leave out the orders that have none."""


class Status(TextChoices):
    """The seven public statuses of the specification, and those of a draft: one under way, one rejected."""

    PLACING = "placing", "Draft"
    PENDING = "pending", "Pending"
    PAID = "paid", "Paid"
    PROCESSING = "processing", "Processing"
    SHIPPED = "shipped", "Shipped"
    DELIVERED = "delivered", "Delivered"
    CANCELLED = "cancelled", "Cancelled"
    REFUNDED = "refunded", "Refunded"
    REJECTED = "rejected", "Rejected"


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

    NONE = "none", "Not reserved"
    RESERVING = "reserving", "Reserving"
    RESERVED = "reserved", "Reserved"
    USED = "used", "Shipped"
    RELEASING = "releasing", "Releasing"
    RELEASED = "released", "Released"
    UNKNOWN = "unknown", "Unconfirmed"


DUE_STATES = (LineState.RESERVING.value, LineState.RELEASING.value)
"""A line in one of these is due a call to inventory: its order has a `stock_due_at`."""


OPEN_STATES_OF_LINES = (LineState.RESERVED.value, LineState.NONE.value)
"""A line can be shipped or cancelled from these; orders that were imported reserved nothing."""


class StockCall(TextChoices):
    """The two calls that change inventory."""

    RESERVE = "reserve", "Reserve"
    RELEASE = "release", "Release"


class StockEffect(TextChoices):
    """What a transition means for the reserved lines."""

    NOTHING = "nothing", "nothing"
    RELEASE = "release", "releases reserved lines"
    USE = "use", "reserved lines become used"


class ChargeKind(TextChoices):
    """What is paid for beside the products, or taken off."""

    SHIPPING = "shipping", "Shipping"
    TAX = "tax", "Tax"
    DISCOUNT = "discount", "Discount"
    FEE = "fee", "Fee"


SHARED_CHARGES = (ChargeKind.TAX.value, ChargeKind.DISCOUNT.value)
"""What belongs to the lines, each its share; the other charges are of the order as a whole."""


class Removal(TextChoices):
    """How a line ceased to be part of what the customer gets."""

    CANCELLED = "cancelled", "Cancelled"
    RETURNED = "returned", "Returned"
