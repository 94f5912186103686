"""The forms that an order's page offers its reader, with what was typed into the one that was refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orders.admin import desk_forms, offered_part_forms, order_to_do
from orders.admin.labels import ADDRESS_LABELS
from orders.admin.part_forms import TRACKING
from orders.models import Address, Order
from orders.services import access
from orders.services.access import Actor
from orders.services.errors import OrderError
from orders.services.lifecycle import editing
from orders.services.text_rules import ADDRESS_FIELDS

if TYPE_CHECKING:
    from django.http import QueryDict

TYPED = {
    *("reason", "reason_code", "text", "to", "tag", "amount", "reference", "method", "restock", "refund"),
    *TRACKING,
    *ADDRESS_FIELDS,
}


@dataclass(frozen=True)
class Kept:
    """What somebody typed into a form that changed nothing: shown there again."""

    form: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, list[str]] = field(default_factory=dict)

    def text(self, form: str, name: str) -> str:
        return self.typed.get(name, "") if form == self.form else ""


def kept(post: "QueryDict", error: OrderError | None = None) -> Kept:
    """What was typed, and into which form: a transition's, one about parts, `address`, `note`, `erase`, a `line`'s."""
    fallbacks = {"line1": "address", "text": "note", "erase": "erase", "line": f"line {post.get('line', '')}"}
    form = post.get("transition") or post.get("form")
    form = form or next((form for name, form in fallbacks.items() if name in post), "")
    typed = {name: str(post[name]) for name in post if name in TYPED or name.startswith("quantity_")}
    return Kept(form, typed, error.members.get("errors", {}) if error else {})


def offered(order: Order, actor: Actor, kept: Kept, now: datetime) -> dict[str, Any]:
    """What is shown of the order's parts, the forms that this actor may fill in, and their names as `kept` has them."""
    to_do = order_to_do.to_do(order, actor, now)
    steps = [*([to_do.step] if to_do.step else []), *to_do.others]
    parts = offered_part_forms.shown(order, actor, now, lambda form: dict(kept.typed) if form == kept.form else None)
    unknown = [
        {"index": index, "number": index + 1, "item": item, "reason": kept.text(f"line {index}", "reason")}
        for index, item in (order_to_do.unknown_lines(order) if actor.has(access.RESOLVE) else [])
    ]
    movable = actor.has(access.CHANGE_ADDRESS) and editing.may_change_address(order.status)
    may_note = actor.has(access.WRITE_NOTES)
    may_erase = actor.has(access.ERASE) and not order.erased_at
    names = [*(step.name for step in steps), *(f"line {line['index']}" for line in unknown), *parts.pop("names")]
    return {
        "to_do": to_do,
        "parts": parts,
        "unknown": unknown,
        "address": address_fields(order, kept) if movable else [],
        "may_note": may_note,
        "may_erase": may_erase,
        "names": [
            *names,
            *(name for name, may in (("address", movable), ("note", may_note), ("erase", may_erase)) if may),
            *desk_forms.names(actor),
        ],
    }


def address_fields(order: Order, shown: Kept) -> list[dict[str, Any]]:
    """The inputs of the address form, with what was typed before, or else what is stored."""
    fields = []
    for name in ADDRESS_FIELDS:
        column = Address._meta.get_field(name)
        stored = getattr(order.shipping_address, name) or ""
        stored = ", ".join(stored.splitlines())  # an <input> would run the lines together
        fields.append(
            {
                "name": name,
                "label": ADDRESS_LABELS[name],
                "value": shown.typed.get(name, "") if shown.form == "address" else stored,
                "longest": column.max_length,
                "required": not column.blank,
                "errors": shown.errors.get(name, []) if shown.form == "address" else [],
            }
        )
    return fields
