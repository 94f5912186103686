"""The order: one document, with its state machine."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition
from django_mongodb_backend.fields import ArrayField, EmbeddedModelArrayField, EmbeddedModelField

from orders.models.money import to_cents
from orders.models.parts import (
    Address,
    Assignee,
    Charge,
    Contact,
    HistoryEntry,
    Hold,
    Item,
    OtherOrder,
    Payment,
    Refund,
    Return,
    Shipment,
    Snooze,
)
from orders.models.states import DATED_STATUSES, EPOCH, LineState, Status, StockEffect


def every_line_reserved(order: models.Model) -> bool:
    """Tell whether each line's reservation is certain: only then is an order placed."""
    assert isinstance(order, Order)  # noqa: S101 - django_fsm promises no more than a model
    return bool(order.items) and all(item.stock.state == LineState.RESERVED for item in order.items)


def nothing_shipped(order: models.Model) -> bool:
    """Tell whether nothing has left yet: with a first parcel on its way, only the rest can be cancelled."""
    assert isinstance(order, Order)  # noqa: S101 - as above
    return not order.shipments


def not_on_hold(order: models.Model) -> bool:
    """Tell whether nobody holds the order back."""
    assert isinstance(order, Order)  # noqa: S101 - as above
    return order.held_at is None


class Order(models.Model):
    """An order. `status` changes only by the transitions below, and these are made only by `orders.services`.

    The transitions change this object's own fields and say by `stock_effect` what follows for its stock; they call
    nobody. `version` counts the changes that people see, and guards each of them.
    """

    number = models.CharField(max_length=14, editable=False)
    user_id = models.CharField(max_length=128)
    status = FSMField(max_length=10, choices=Status.choices, default=Status.PLACING, protected=True)
    version = models.PositiveIntegerField(default=0, editable=False)
    user_verified = models.BooleanField(default=True)
    items = EmbeddedModelArrayField(Item)
    charges = EmbeddedModelArrayField(Charge, blank=True, default=list)
    total_price = models.DecimalField(max_digits=14, decimal_places=2)
    """What the lines and the charges come to."""
    currency = models.CharField(max_length=3, blank=True, default="")
    """ISO 4217."""
    contact = EmbeddedModelField(Contact, blank=True, default=Contact)
    shipping_address = EmbeddedModelField(Address)
    billing_address = EmbeddedModelField(Address, null=True, blank=True)
    reference = models.CharField(max_length=64, blank=True, default="")
    """The storefront's own number of it."""
    note = models.CharField(max_length=500, blank=True, default="")
    """What the customer said with the order."""
    metadata = models.JSONField(blank=True, default=dict)
    """What the storefront keeps with the order: text by name. Nothing in this service reads it."""
    terms = ArrayField(models.CharField(max_length=40), blank=True, default=list, editable=False)
    """The words by which it is found: see `orders.services.search_terms`."""
    history = EmbeddedModelArrayField(HistoryEntry, blank=True, default=list)
    write_id = models.CharField(max_length=32, blank=True, default="", editable=False)
    """Identifies the last write, so that a writer whose answer was lost can tell whether it succeeded."""
    stock_due_at = models.DateTimeField(null=True, blank=True)
    shipments = EmbeddedModelArrayField(Shipment, blank=True, default=list)
    returns = EmbeddedModelArrayField(Return, blank=True, default=list)
    payments = EmbeddedModelArrayField(Payment, blank=True, default=list)
    refunds = EmbeddedModelArrayField(Refund, blank=True, default=list)
    paid = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    """What was paid in all; None where no ledger was kept: see `orders.storage.ledger`, also for the next two."""
    refunded = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    owed = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    """What the customer has paid for and will not get, and has not got back; None: nothing."""
    held_at = models.DateTimeField(null=True, blank=True)
    hold = EmbeddedModelField(Hold, null=True, blank=True)
    snoozed = EmbeddedModelField(Snooze, null=True, blank=True)
    """May be over: see `orders.storage.alerts`. Its index is made by the migration 0030."""
    assignee = EmbeddedModelField(Assignee, null=True, blank=True)
    tags = ArrayField(models.CharField(max_length=40), blank=True, default=list)
    """What staff call it, for themselves."""
    tag_keys = ArrayField(models.CharField(max_length=120), blank=True, default=list, editable=False)
    """What the tags are found by: see `orders.services.tags`."""
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    placed_at = models.DateTimeField(null=True, blank=True)
    status_since = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    shipped_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    refunded_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    """When personal data was last erased from it; the history says by whom."""
    replaces = EmbeddedModelField(OtherOrder, null=True, blank=True)
    """The order that was cancelled by the very write that placed this one: see docs/adr/0012."""
    replaced_by = EmbeddedModelField(OtherOrder, null=True, blank=True)

    untold_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when its history has had something to tell; see `orders.storage.event_feed`, also for the next two."""
    told = models.PositiveIntegerField(null=True, blank=True, editable=False)
    events_told = models.PositiveIntegerField(null=True, blank=True, editable=False)

    stock_effect = StockEffect.NOTHING
    """Set by a transition: what its write must do to the reserved lines."""

    class Meta:
        db_table = "orders"
        verbose_name, verbose_name_plural = _("order"), _("orders")
        default_permissions = ("view",)
        permissions = [
            ("pay_order", "Can mark orders as paid"),
            ("start_processing_order", "Can start processing orders"),
            ("ship_order", "Can ship orders"),
            ("deliver_order", "Can mark orders as delivered"),
            ("cancel_order", "Can cancel orders"),
            ("refund_order", "Can refund orders"),
            ("return_order", "Can take back shipped goods"),
            ("hold_order", "Can hold orders back, and lift holds"),
            ("snooze_order", "Can snooze orders that need attention, and wake them up"),
            ("resolve_stock", "Can settle the stock of lines whose outcome is unknown"),
            ("change_address", "Can change where orders are shipped to"),
            ("write_notes", "Can write internal notes"),
            ("export_orders", "Can export orders"),
            ("erase_customer", "Can erase personal data"),
            ("place_for_customer", "Can place orders for customers in the backoffice, and replace unpaid ones"),
            ("assign_order", "Can assign orders to colleagues"),
            ("tag_order", "Can tag orders"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="status_newest"),
            models.Index(fields=["user_id", "status", "-created_at", "-id"], name="user_status_newest"),
            models.Index(fields=["user_id", "-created_at", "-id"], name="user_newest"),
            models.Index(fields=["number"], name="number"),
            models.Index(fields=["stock_due_at"], name="stock_due", condition=Q(stock_due_at__gt=EPOCH)),
            models.Index(fields=["total_price", "-created_at", "-id"], name="total_newest"),
            models.Index(fields=["terms", "-created_at", "-id"], name="terms_newest"),
            models.Index(fields=["-created_at", "-id", "status", "total_price"], name="newest_status_total"),
            models.Index(
                fields=["reference", "-created_at", "-id"], name="reference_newest", condition=Q(reference__gt="")
            ),
            *(
                models.Index(
                    fields=[f"{status}_at", "-created_at", "-id"],
                    name=f"{status}_newest",
                    condition=Q((f"{status}_at__gt", EPOCH)),
                )
                for status in DATED_STATUSES
            ),
            models.Index(fields=["-created_at", "-id", "owed"], name="money_owed", condition=Q(owed__gt=Decimal(0))),
            models.Index(fields=["-created_at", "-id", "held_at"], name="held_newest", condition=Q(held_at__gt=EPOCH)),
            models.Index(
                fields=["user_verified", "-created_at", "-id", "status"],
                name="unverified_newest",
                condition=Q(user_verified=False),
            ),
            models.Index(
                fields=["-created_at", "-id", "status_since", "stock_due_at"],
                name="owed_newest",
                condition=Q(stock_due_at__gt=EPOCH),
            ),
            # What waits for staff, each longest first.
            models.Index(fields=["status_since"], name="stock_owed", condition=Q(stock_due_at__gt=EPOCH)),
            models.Index(fields=["status", "status_since", "id"], name="status_age"),
            models.Index(
                fields=["user_verified", "status", "created_at"], name="unverified", condition=Q(user_verified=False)
            ),
            # The figures by day: which days changed, and how long shipping took.
            models.Index(fields=["updated_at", "created_at", "shipped_at"], name="touched"),
            models.Index(fields=["untold_at"], name="untold", condition=Q(untold_at__gt=EPOCH)),
            models.Index(fields=["shipped_at", "paid_at"], name="shipped", condition=Q(shipped_at__gt=EPOCH)),
        ]

    def __str__(self) -> str:
        return self.number

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any) -> Self:
        """An order as it was stored; fields that are missing there read as empty, and its currency as the shop's."""
        order = super().from_db(db, field_names, values, **options)
        missing = {"currency": settings.CURRENCY, "contact": Contact(), "reference": "", "note": "", "metadata": {}}
        missing |= {"charges": [], "terms": [], "shipments": [], "returns": [], "payments": [], "refunds": []}
        missing |= {"tags": [], "tag_keys": []}
        for name, value in missing.items():
            if name in order.__dict__ and order.__dict__[name] in (None, ""):
                setattr(order, name, value)
        return order

    @property
    def total(self) -> Decimal:
        """Sum of price times quantity over the lines, and of the charges, in cents."""
        lines = sum((item.price * item.quantity for item in self.items), Decimal(0))
        return to_cents(lines + sum((charge.amount for charge in self.charges), Decimal(0)))

    def clean(self) -> None:
        """Check the lines and the address; an embedded field by itself only looks for blanks.

        :raises ValidationError: with one message per wrong field, e.g. `items.0.quantity`.
        """
        problems: dict[str, Any] = {}
        parts = [(f"items.{index}", item) for index, item in enumerate(self.items)]
        for name, part in [*parts, ("shipping_address", self.shipping_address)]:
            try:
                part.full_clean(exclude=["stock"])
            except ValidationError as error:
                problems |= {f"{name}.{field}": messages for field, messages in error.message_dict.items()}
        if problems:
            raise ValidationError(problems)

    @transition(field=status, source=Status.PLACING, target=Status.PENDING, conditions=[every_line_reserved])
    def place(self) -> None:
        """Accept the order: every line is reserved."""

    @transition(field=status, source=Status.PLACING, target=Status.REJECTED)
    def reject(self) -> None:
        """Reject the draft; what was reserved for it is released, and its idempotency key is free again."""
        self.stock_effect = StockEffect.RELEASE

    @transition(field=status, source=Status.PENDING, target=Status.PAID, permission="orders.pay_order")
    def pay(self) -> None:
        """The customer has paid."""

    @transition(
        field=status,
        source=Status.PAID,
        target=Status.PROCESSING,
        permission="orders.start_processing_order",
        conditions=[not_on_hold],
    )
    def start_processing(self) -> None:
        """The warehouse is preparing it."""

    @transition(
        field=status,
        source=Status.PROCESSING,
        target=Status.SHIPPED,
        permission="orders.ship_order",
        conditions=[not_on_hold],
    )
    def ship(self) -> None:
        """The goods have left: from now on none of its stock may be released."""
        self.stock_effect = StockEffect.USE

    @transition(field=status, source=Status.SHIPPED, target=Status.DELIVERED, permission="orders.deliver_order")
    def deliver(self) -> None:
        """The customer has the goods."""

    @transition(
        field=status,
        source=[Status.PENDING, Status.PAID, Status.PROCESSING],
        target=Status.CANCELLED,
        permission="orders.cancel_order",
        conditions=[nothing_shipped],
    )
    def cancel(self) -> None:
        """Cancel the order; its reserved lines are released."""
        self.stock_effect = StockEffect.RELEASE

    @transition(
        field=status,
        source=[Status.PAID, Status.PROCESSING, Status.SHIPPED, Status.DELIVERED],
        target=Status.REFUNDED,
        permission="orders.refund_order",
    )
    def refund(self) -> None:
        """Give the money back; lines that are still reserved (not shipped) are released."""
        self.stock_effect = StockEffect.RELEASE
