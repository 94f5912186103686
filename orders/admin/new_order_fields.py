"""What the form of a new order shows: its fields with what was typed, what is wrong with it, and what the peers say."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin import replacement
from orders.admin.labels import ADDRESS_LABELS
from orders.admin.local_formats import count
from orders.admin.money_format import money
from orders.admin.new_order_form import OF_ORDER, Row, Typed, price_typed
from orders.models import Address, Contact, Item, Order
from orders.services.audit import REASON_CODES
from orders.services.lifecycle.previewing import Preview, PreviewLine
from orders.services.text_rules import ADDRESS_FIELDS, CONTACT_FIELDS

if TYPE_CHECKING:
    from django.db.models import Field

SPARE_ROWS = 3
MORE_ROWS = 5
CONTACT_LABELS = {"name": gettext_lazy("Name"), "email": gettext_lazy("Email"), "phone": gettext_lazy("Phone")}
AWAY = {
    "products": gettext_lazy("The product service did not answer."),
    "inventory": gettext_lazy("The inventory service did not answer."),
    "users": gettext_lazy("The user service did not answer."),
}


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
        "old": old,
        "obstacle": replacement.obstacle(old) if old else "",
        "codes": REASON_CODES,
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
    price = line.price if line.price is not None else price_typed(row.price)
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
