"""The form of a new order, and of one that takes another's place: what was typed into it, and what it shows."""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin.local_formats import count
from orders.admin.money_format import money
from orders.admin.order_forms import ADDRESS_LABELS
from orders.models import Address, Contact, Item, Order
from orders.services.lifecycle.drafts import Details
from orders.services.lifecycle.previewing import Preview, PreviewLine
from orders.services.text_rules import ADDRESS_FIELDS, CONTACT_FIELDS

if TYPE_CHECKING:
    from django.db.models import Field
    from django.http import QueryDict

SPARE_ROWS = 3
MORE_ROWS = 5
MOST_DIGITS = 6
CONTACT_LABELS = {"name": gettext_lazy("Name"), "email": gettext_lazy("Email"), "phone": gettext_lazy("Phone")}
OF_ORDER = {
    "user_id": gettext_lazy("Customer’s user id"),
    "currency": gettext_lazy("Currency"),
    "reference": gettext_lazy("Reference"),
    "note": gettext_lazy("Note from the customer"),
}
"""The fields of the order itself, and their labels."""
OF_REPLACEMENT = ("version", "reason_code", "reason")
AWAY = {
    "products": gettext_lazy("The product service did not answer."),
    "inventory": gettext_lazy("The inventory service did not answer."),
    "users": gettext_lazy("The user service did not answer."),
}


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
            product_id=self.product, quantity=int(digits) if is_number else 0, price=_price(self.price) or Decimal(0)
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


def typed(post: "QueryDict") -> Typed:
    """What was posted, without the rows that are blank."""
    names = [*OF_ORDER, *OF_REPLACEMENT, *(f"contact_{name}" for name in CONTACT_FIELDS)]
    names += [f"{which}_{name}" for which in ("shipping", "billing") for name in ADDRESS_FIELDS]
    columns = [[text.strip() for text in post.getlist(name)] for name in ("product", "quantity", "price")]
    width = max(map(len, columns))
    rows = [Row(*cells) for cells in zip(*(column + [""] * (width - len(column)) for column in columns), strict=True)]
    return Typed(
        {name: post.get(name, "").strip() for name in names},
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


def shown(
    typed: Typed,
    preview: Preview | None = None,
    errors: Mapping[str, list[str]] | None = None,
    *,
    old: Order | None = None,
    spare: int = SPARE_ROWS,
) -> dict[str, Any]:
    """What the template needs.

    :param errors: what is wrong by field, as the services name them, beside what the preview says.
    :param old: the order whose place it takes.
    """
    problems = {**(preview.problems if preview else {}), **(errors or {})}
    currency = typed.text("currency")
    lines = preview.lines if preview else []
    before = {item.product_id: item for item in old.items} if old else {}
    rows = [
        _row(index, row, lines[index] if index < len(lines) else PreviewLine(), before.get(row.product), currency)
        | {"errors": _of_row(index, problems)}
        for index, row in enumerate([*typed.rows, *[Row()] * spare])
    ]
    return {
        "rows": rows,
        "fields": {name: _field(name, name, label, Order, typed, problems) for name, label in OF_ORDER.items()},
        "contact": _part("contact", "contact", Contact, CONTACT_FIELDS, CONTACT_LABELS, typed, problems),
        "shipping": _part("shipping", "shipping_address", Address, ADDRESS_FIELDS, ADDRESS_LABELS, typed, problems),
        "billing": _part("billing", "billing_address", Address, ADDRESS_FIELDS, ADDRESS_LABELS, typed, problems),
        "currencies": settings.CURRENCIES,
        "typed": typed,
        "items_errors": problems.get("items", []),
        "customer": preview.customer if preview else "",
        "unverified": bool(preview and preview.unverified),
        "away": [str(AWAY[peer]) for peer in preview.away] if preview else [],
        "total": money(preview.total, currency) if preview and preview.total is not None else "",
        "has_problems": bool(problems),
        "can_place": typed.is_as_checked and bool(typed.rows),
    }


def _row(index: int, row: Row, line: PreviewLine, before: Item | None, currency: str) -> dict[str, Any]:
    price = line.price if line.price is not None else _price(row.price)
    told = ""
    if before is not None and price is not None and price != before.price:
        told = _("%(price)s in the order so far") % {"price": money(before.price, currency)}
    return {
        "index": index,
        "number": index + 1,
        "product": row.product,
        "quantity": row.quantity,
        "hidden_price": row.price,
        "name": line.name or (before.name if before else ""),
        "sku": line.sku,
        "price": money(price, currency) if price is not None else "",
        "before": told,
        "stock": _stock(line),
        "is_blank": row.is_blank,
    }


def _stock(line: PreviewLine) -> str:
    """That there is enough; of too little, the problem beside the row says it."""
    if not line.enough:
        return ""
    return _("In stock") if line.available is None else _("%(count)s in stock") % {"count": count(line.available)}


def _of_row(index: int, problems: Mapping[str, list[str]]) -> list[str]:
    prefix = f"items.{index}."
    return [text for name, texts in problems.items() if name.startswith(prefix) for text in texts]


def _part(
    which: str,
    path: str,
    model: type[Address | Contact],
    names: Iterable[str],
    labels: Mapping[str, "str | Promise"],
    typed: Typed,
    problems: Mapping[str, list[str]],
) -> list[dict[str, Any]]:
    """The inputs of an address or the contact."""
    return [_field(f"{which}_{name}", f"{path}.{name}", labels[name], model, typed, problems) for name in names]


def _field(
    name: str,
    path: str,
    label: "str | Promise",
    model: type[Address | Contact | Order],
    typed: Typed,
    problems: Mapping[str, list[str]],
) -> dict[str, Any]:
    column = cast("Field[Any, Any]", model._meta.get_field(path.rpartition(".")[2]))
    return {
        "name": name,
        "label": label,
        "value": typed.text(name),
        "longest": column.max_length,
        "required": not column.blank and not name.startswith("billing_"),
        "errors": problems.get(path, []),
    }


def _price(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,2})?", text) else None
