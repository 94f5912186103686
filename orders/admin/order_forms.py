"""What the forms on an order's page post: read, handed to a service, and told in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from orders.admin import desk_forms, labels, order_facts, part_facts, part_forms
from orders.admin.local_formats import count
from orders.admin.posted import ANSWERS, INCOMPLETE, SMALL, required_version
from orders.models import Address, Order, Status, edges_named, transition_names
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle import editing, erasing_many, late_verification, transitions
from orders.services.lifecycle.erasing import NothingToErase, OrderUnfinished
from orders.services.lifecycle.erasing_many import Customer
from orders.services.lifecycle.payments import Paid
from orders.services.stock import resolution
from orders.services.text_rules import ADDRESS_FIELDS

if TYPE_CHECKING:
    from django.http import QueryDict

Change = Callable[[Order, "QueryDict", Act], str]
"""Carries out what was posted and says what it did. :raises OrderError:"""

ERASED_AT_ONCE = 200
"""Orders of a customer that are looked at while the page waits."""
TYPED = {
    *("reason", "reason_code", "text", "to", "tag", "amount", "reference", "method", "restock", "refund"),
    *part_forms.TRACKING,
    *ADDRESS_FIELDS,
}
ADDRESS_LABELS = {
    "name": gettext_lazy("Recipient name"),
    "company": gettext_lazy("Company"),
    "line1": gettext_lazy("Address"),
    "line2": gettext_lazy("Apartment, suite, etc."),
    "city": gettext_lazy("City"),
    "state": gettext_lazy("State or province"),
    "postal_code": gettext_lazy("Postal code"),
    "country": gettext_lazy("Country"),
    "phone": gettext_lazy("Phone"),
}
NOW = {
    Status.PAID: gettext_lazy("Order %(number)s is now paid."),
    Status.PROCESSING: gettext_lazy("Order %(number)s is now processing."),
    Status.SHIPPED: gettext_lazy("Order %(number)s is now shipped."),
    Status.DELIVERED: gettext_lazy("Order %(number)s is now delivered."),
    Status.CANCELLED: gettext_lazy("Order %(number)s is now cancelled."),
    Status.REFUNDED: gettext_lazy("Order %(number)s is now refunded."),
}
"""What is said of an order whose status has been changed to this one."""


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


def change_status(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `transition`, `version`, `reason` and `reason_code`; of `pay` also `reference` and `method`."""
    name = post.get("transition", "")
    if name not in transition_names():
        raise OrderError(_("Unknown action."))
    act.actor.require_transition(name, order.user_id)
    version = required_version(post)
    paid = Paid(reference=post.get("reference", "").strip(), method=post.get("method", "").strip())
    payment = paid if name == "pay" and (paid.reference or paid.method) else None
    [status] = {edge.target for edge in edges_named(name)}
    changed = transitions.change_status_to(
        order_id=order.pk, status=status, act=act, expected_versions=[version], payment=payment
    ).order
    told = NOW[Status(changed["status"])] % {"number": order.number}
    return f"{told} {part_forms.owed_after(changed)}".rstrip() if name == "cancel" else told


def change_address(order: Order, post: "QueryDict", act: Act) -> str:
    """Take the address's fields, `version` and `reason`."""
    act.actor.require(access.CHANGE_ADDRESS)
    version = required_version(post)
    address = Address(**{name: post.get(name, "") for name in ADDRESS_FIELDS})
    editing.change_address(order_id=order.pk, address=address, act=act, expected_version=version)
    told = _("The shipping address of order %(number)s is now %(address)s.")
    return told % {"number": order.number, "address": address}


def write_note(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `text`."""
    editing.write_note(order_id=order.pk, text=post.get("text", ""), act=act)
    return _("Note added.")


def erase_customer(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `erase` (`customer`) and `reason`; erase all finished orders of the order's customer."""
    act.actor.require(access.ERASE)
    if post.get("erase") != "customer":
        raise OrderError(str(INCOMPLETE))
    customer = Customer(user_id=order.user_id)
    done = erasing_many.erase_customer(customer=customer, act=act, limit=ERASED_AT_ONCE)
    if not done.erased:
        if done.waiting:
            raise OrderUnfinished(" ".join(done.waiting))
        raise NothingToErase(_("Nothing is left to erase."))
    told = ngettext(
        "Personal data erased from %(count)s order of customer %(customer)s.",
        "Personal data erased from %(count)s orders of customer %(customer)s.",
        done.erased,
    ) % {"count": count(done.erased), "customer": order.user_id}
    sentences = [told]
    if done.waiting:
        sentences.append(_("Erase again later: %(orders)s") % {"orders": " ".join(done.waiting)})
    if done.total == ERASED_AT_ONCE:
        sentences.append(_("There may be more orders: run manage.py erase_customer."))
    return " ".join(sentences)


def resolve(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `line`, `attempts`, `happened` and `reason`."""
    act.actor.require(access.RESOLVE)
    answer, line, attempts = (post.get(name, "") for name in ("happened", "line", "attempts"))
    if answer not in ANSWERS or not (SMALL.match(line) and SMALL.match(attempts)):
        raise OrderError(str(INCOMPLETE))
    changed = resolution.resolve_line(
        order_id=order.pk, line=int(line), happened=ANSWERS[answer], act=act, expected_attempts=int(attempts)
    )
    outcome = labels.settled(changed["items"][int(line)]["stock"]["state"])
    names = {"item": int(line) + 1, "number": order.number, "outcome": outcome}
    return _("Item %(item)s of order %(number)s: %(outcome)s.") % names


def require_permission(name: str, transition: str, actor: Actor) -> None:
    """Before all else: somebody who may not act is not told what is wrong with the form.

    :param name: what the attention page calls the act.
    :raises NotPermitted:
    """
    if name in ("resolve", "retry", "accept"):
        actor.require(access.RESOLVE)
    elif name == "verify":
        actor.require_transition("cancel", "")
    elif name in ("snooze", "wake"):
        actor.require(access.SNOOZE)
    elif name == "transition" and transition in transition_names():
        actor.require_transition(transition, "")


def retry(order: Order, post: "QueryDict", act: Act) -> str:
    """Let the worker try the stock of the order at once."""
    resolution.retry_now(order_id=order.pk, act=act)
    return _("The stock of order %(number)s is queued for a retry.") % {"number": order.number}


def accept_shortage(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `line`, `discrepancy` and `reason`."""
    line, missing = post.get("line", ""), post.get("discrepancy", "")
    if not (SMALL.match(line) and SMALL.match(missing)):
        raise OrderError(str(INCOMPLETE))
    resolution.accept_shortage(order_id=order.pk, line=int(line), discrepancy=int(missing), act=act)
    names = {"item": int(line) + 1, "number": order.number}
    return _("The short release of item %(item)s of order %(number)s is acknowledged.") % names


def verify_user(order: Order, post: "QueryDict", act: Act) -> str:
    """Ask the user service about the customer of an order that was placed without it."""
    late_verification.verify_user(order_id=order.pk, act=act)
    names = {"customer": order.user_id, "number": order.number}
    return _("Customer %(customer)s of order %(number)s is verified.") % names


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


def offered(order: Order, actor: Actor, kept: Kept, now: datetime) -> dict[str, Any]:
    """What is shown of the order's parts, the forms that this actor may fill in, and their names as `kept` has them."""
    to_do = order_facts.to_do(order, actor, now)
    steps = [*([to_do.step] if to_do.step else []), *to_do.others]
    parts = part_facts.shown(order, actor, now, lambda form: dict(kept.typed) if form == kept.form else None)
    unknown = [
        {"index": index, "number": index + 1, "item": item, "reason": kept.text(f"line {index}", "reason")}
        for index, item in (order_facts.unknown_lines(order) if actor.has(access.RESOLVE) else [])
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
