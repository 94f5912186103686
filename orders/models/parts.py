"""The embedded parts of the order document."""

from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django_mongodb_backend.fields import ArrayField, EmbeddedModelField, ObjectIdField
from django_mongodb_backend.models import EmbeddedModel

from orders.models.states import OPEN_STATES_OF_LINES, ChargeKind, LineState, Removal, StockCall

Document = dict[str, Any]
"""A document as MongoDB has it, e.g. a whole order."""


class Part(EmbeddedModel):
    """What is stored inside an order, and has no permissions of its own."""

    class Meta:
        abstract = True
        default_permissions = ()


class Address(Part):
    """Where an order is shipped or billed to."""

    name = models.CharField(max_length=200, blank=True, default="")
    """Who receives it there; where it is empty, the order's contact does."""
    company = models.CharField(max_length=200, blank=True, default="")
    line1 = models.CharField(max_length=200)
    line2 = models.CharField(max_length=200, blank=True, default="")
    city = models.CharField(max_length=100)
    state = models.CharField(max_length=100, blank=True, default="")
    postal_code = models.CharField(max_length=20, blank=True, default="")
    """Empty where there are none, as in Hong Kong or the Emirates."""
    country = models.CharField(max_length=100)
    phone = models.CharField(max_length=40, blank=True, default="")

    def __str__(self) -> str:
        town = f"{self.postal_code} {self.city}".strip()
        street = (self.name, self.company, self.line1, self.line2)
        parts = (*street, town, self.state, self.country, self.phone)
        return ", ".join(part for part in parts if part and part.strip())


class Contact(Part):
    """The person who ordered, frozen at placement; each field is empty where nobody said it."""

    name = models.CharField(max_length=200, blank=True, default="")
    email = models.EmailField(max_length=254, blank=True, default="")
    phone = models.CharField(max_length=40, blank=True, default="")

    def __str__(self) -> str:
        return self.name or self.email or self.phone


class Attempt(Part):
    """A lease on a line: until `until`, by mongod's clock, nobody but its holder may call inventory for it.

    An attempt that has expired means that the call may have been sent.
    """

    id = models.CharField(max_length=32, primary_key=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.id} until {self.until:%H:%M:%S}"


class Stock(Part):
    """What is known about one line's stock, and which call to inventory is due for it."""

    state = models.CharField(max_length=10, choices=LineState.choices, default=LineState.NONE)
    call = models.CharField(max_length=10, choices=StockCall.choices, null=True, blank=True)
    attempt = EmbeddedModelField(Attempt, null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")
    discrepancy = models.PositiveIntegerField(null=True, blank=True)
    """Units that inventory did not release although asked to."""

    def __str__(self) -> str:
        return self.state


class Item(Part):
    """One line of an order; its price and what its product is called are frozen at placement."""

    product_id = models.CharField(max_length=24)
    name = models.CharField(max_length=300, blank=True, default="")
    sku = models.CharField(max_length=64, blank=True, default="")
    image_url = models.CharField(max_length=2000, blank=True, default="")
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    price = models.DecimalField(max_digits=10, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))])
    stock = EmbeddedModelField(Stock, default=Stock)
    split_from = models.PositiveIntegerField(null=True, blank=True)
    """The line, by its index, that it was a part of."""
    shipment = models.PositiveIntegerField(null=True, blank=True)
    """The shipment, by its index, in which it left."""
    returned_in = models.PositiveIntegerField(null=True, blank=True)
    """The return, by its index, in which it comes back."""
    removed = models.CharField(max_length=10, choices=Removal.choices, null=True, blank=True)
    """Why it is no longer part of what the customer gets; None: it is."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be shipped or cancelled; lines of imported orders reserved nothing."""
        return self.shipment is None and not self.removed and self.stock.state in OPEN_STATES_OF_LINES

    @property
    def is_shipped(self) -> bool:
        """Whether the customer has it, or soon will."""
        return not self.removed and (self.shipment is not None or self.stock.state == LineState.USED)

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name or self.product_id}"


class Charge(Part):
    """What an order costs beside its lines: part of its total. Only orders of another system have any."""

    kind = models.CharField(max_length=10, choices=ChargeKind.choices)
    label = models.CharField(max_length=200, blank=True, default="")
    """What the other system calls it, e.g. the name of a tax or the code of a discount."""
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    """A discount is below 0."""

    @property
    def title(self) -> str:
        """What people read."""
        kind = str(ChargeKind(self.kind).label)
        return f"{kind} ({self.label})" if self.label else kind

    def __str__(self) -> str:
        return f"{self.title}: {self.amount}"


class Shipment(Part):
    """A parcel that left; the lines that are in it name it by its index."""

    at = models.DateTimeField()
    carrier = models.CharField(max_length=40, blank=True, default="")
    tracking_number = models.CharField(max_length=64, blank=True, default="")
    tracking_url = models.CharField(max_length=500, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_number}".strip() or f"{self.at:%Y-%m-%d}"


class Return(Part):
    """Goods that the customer sends back; the lines that do name it by its index."""

    at = models.DateTimeField()
    code = models.CharField(max_length=12, blank=True, default="")
    """Why: one of the codes of `orders.services.audit`."""
    received_at = models.DateTimeField(null=True, blank=True)
    restocked = models.BooleanField(null=True, blank=True)
    """Whether what came back can be sold again; None until it is received."""

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d}"


class Payment(Part):
    """Money that a customer paid for an order, as somebody recorded it."""

    at = models.DateTimeField()
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    reference = models.CharField(max_length=64, blank=True, default="")
    method = models.CharField(max_length=40, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.amount} {self.reference}".strip()


class Refund(Part):
    """Money that was given back, as somebody recorded it."""

    at = models.DateTimeField()
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    reference = models.CharField(max_length=64, blank=True, default="")
    code = models.CharField(max_length=12, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.amount} {self.reference}".strip()


class Hold(Part):
    """Why an order is held back."""

    code = models.CharField(max_length=12)
    reason = models.CharField(max_length=500, blank=True, default="")
    actor = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.code


class OtherOrder(Part):
    """An order that this one replaces, or is replaced by."""

    order_id = ObjectIdField()
    number = models.CharField(max_length=14)

    def __str__(self) -> str:
        return self.number


class Snooze(Part):
    """Until when an order leaves staff alone with the alerts that it had, and why; a change of its state ends that."""

    until = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True, default="")
    actor = models.CharField(max_length=200)
    alerts = ArrayField(models.CharField(max_length=12))
    """Those that it had; another one is raised all the same."""
    status = models.CharField(max_length=10)
    """The state that it was in, as are the next two: of its lines' stock, and of the money that is owed."""
    stock = ArrayField(models.CharField(max_length=10))
    owed = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M}"


class Assignee(Part):
    """The colleague who takes care of an order."""

    id = models.CharField(max_length=24, primary_key=True)
    """Of their login."""
    name = models.CharField(max_length=301)
    """As they were called when it was assigned to them."""

    def __str__(self) -> str:
        return self.name


class HistoryEntry(Part):
    """One thing that happened to an order; entries are only ever appended, and change only as their texts are erased.

    Of a transition, `source` and `target` are statuses; of a stock outcome (`line` is set) they are line states.
    """

    at = models.DateTimeField()
    act = models.CharField(max_length=32)
    source = models.CharField(max_length=10, db_column="from", blank=True, default="")
    target = models.CharField(max_length=10, db_column="to", blank=True, default="")
    line = models.PositiveIntegerField(null=True, blank=True)
    actor = models.CharField(max_length=200)
    via = models.CharField(max_length=20)
    reason = models.CharField(max_length=500, blank=True, default="")
    request_id = models.CharField(max_length=64, blank=True, default="")
    detail = models.CharField(max_length=1200, blank=True, default="")
    """What changed, where the statuses do not say it, e.g. the address before: 1,175 characters at most."""
    code = models.CharField(max_length=12, blank=True, default="")
    """The reason as one of a short list: see `orders.services.audit`."""
    key = models.CharField(max_length=64, blank=True, default="")
    """SHA-256 of (caller, idempotency key), in hex: the request with this key made the change. Never shown."""
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    """What that request asked for."""
    write_id = models.CharField(max_length=32)

    def __str__(self) -> str:
        return f"{self.act}: {self.source} → {self.target}"
