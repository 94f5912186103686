"""The form of a new order, and of one that takes another's place: what it begins with, and what was typed into it."""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext_lazy

from orders.models import Address, Contact, Item, Order
from orders.services.lifecycle.drafts import Details
from orders.services.lifecycle.previewing import Preview
from orders.services.text_rules import ADDRESS_FIELDS, CONTACT_FIELDS

if TYPE_CHECKING:
    from django.http import QueryDict

MOST_DIGITS = 6
OF_ORDER = {
    "user_id": gettext_lazy("Customer’s user id"),
    "currency": gettext_lazy("Currency"),
    "reference": gettext_lazy("Reference"),
    "note": gettext_lazy("Note from the customer"),
}
"""The fields of the order itself, and their labels."""
OF_REPLACEMENT = ("version", "reason_code", "reason")


@dataclass(frozen=True)
class Row:
    """One product as it was typed; `price` as it was shown, empty where none was."""

    product: str = ""
    quantity: str = ""
    price: str = ""

    @property
    def is_blank(self) -> bool:
        return not self.product and not self.quantity

    @property
    def item(self) -> Item:
        """:meth:`Item.full_clean` refuses a quantity and a price of 0, which stand for what is none."""
        digits = self.quantity or "1"
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS
        return Item(
            product_id=self.product,
            quantity=int(digits) if is_number else 0,
            price=price_typed(self.price) or Decimal(0),
        )


@dataclass(frozen=True)
class Typed:
    """What stands in the form.

    :ivar texts: by the name of the field.
    :ivar key: makes a form that is sent twice place one order.
    :ivar checked: the mark of what was checked last; see :attr:`mark`.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    key: str = ""
    checked: str = ""

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @property
    def items(self) -> list[Item]:
        return [row.item for row in self.rows]

    @property
    def shipping_address(self) -> Address:
        return self._address("shipping")

    @property
    def details(self) -> Details:
        billing = self._address("billing")
        return Details(
            contact=Contact(**{name: self.text(f"contact_{name}") for name in CONTACT_FIELDS}),
            currency=self.text("currency") or None,
            reference=self.text("reference"),
            note=self.text("note"),
            billing_address=billing if any(getattr(billing, name) for name in ADDRESS_FIELDS) else None,
        )

    @property
    def mark(self) -> str:
        """What is asked of the peers, and the prices that were shown: a check holds for just this."""
        asked = [self.text("user_id"), self.text("currency"), [(row.product, row.quantity) for row in self.rows]]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]

    @property
    def is_as_checked(self) -> bool:
        return self.checked == self.mark and all(row.price for row in self.rows)

    @property
    def has_billing_address(self) -> bool:
        return self.details.billing_address is not None

    def _address(self, which: str) -> Address:
        return Address(**{name: self.text(f"{which}_{name}") for name in ADDRESS_FIELDS})


def new_key() -> str:
    """A key for one form: see :attr:`Typed.key`."""
    return uuid.uuid4().hex


def typed(post: "QueryDict", old: Order | None = None) -> Typed:
    """What was posted, without the rows that are blank.

    :param old: the order whose place it takes; the customer stays the same, whatever was posted.
    """
    names = [*OF_ORDER, *OF_REPLACEMENT, *(f"contact_{name}" for name in CONTACT_FIELDS)]
    names += [f"{which}_{name}" for which in ("shipping", "billing") for name in ADDRESS_FIELDS]
    columns = [[text.strip() for text in post.getlist(name)] for name in ("product", "quantity", "price")]
    width = max(map(len, columns))
    rows = [Row(*cells) for cells in zip(*(column + [""] * (width - len(column)) for column in columns), strict=True)]
    texts = {name: post.get(name, "").strip() for name in names}
    return Typed(
        texts | ({"user_id": old.user_id} if old else {}),
        [row for row in rows[: 2 * settings.MAX_ORDER_LINES] if not row.is_blank],
        post.get("placement_key", "") or new_key(),
        post.get("checked", ""),
    )


def without_row(typed: Typed, names: Iterable[str]) -> Typed:
    """The same without the row whose button was pressed, among the names that were posted."""
    pressed = {name for name in names if name.startswith("remove_")}
    return replace(typed, rows=[row for at, row in enumerate(typed.rows) if f"remove_{at}" not in pressed])


def blank(user_id: str = "") -> Typed:
    """The form of a new order."""
    return Typed({"user_id": user_id.strip(), "currency": settings.CURRENCY}, [], new_key())


def of_order(order: Order) -> Typed:
    """The form of an order that takes another's place: filled in as that one is."""
    texts = {
        "user_id": order.user_id,
        "currency": order.currency,
        "reference": order.reference,
        "note": order.note,
        "version": str(order.version),
        "reason_code": "customer",
    }
    texts |= {f"contact_{name}": getattr(order.contact, name) for name in CONTACT_FIELDS}
    for which, address in (("shipping", order.shipping_address), ("billing", order.billing_address)):
        texts |= {f"{which}_{name}": getattr(address, name, "") or "" for name in ADDRESS_FIELDS}
    rows = [Row(item.product_id, str(item.quantity)) for item in order.items if item.is_open]
    return Typed(texts, rows, new_key())


def as_checked(typed: Typed, preview: Preview) -> Typed:
    """The same with the prices of now, and the mark that lets it be placed, if it can be."""
    prices = [str(line.price) if line.price is not None else "" for line in preview.lines]
    rows = [replace(row, price=price) for row, price in zip(typed.rows, prices, strict=True)]
    return replace(typed, rows=rows, checked=typed.mark if preview.can_place else "")


def price_typed(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,2})?", text) else None
