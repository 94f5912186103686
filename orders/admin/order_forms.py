"""What the forms on an order's page post: read, handed to a service, and told in words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orders.admin import labels, order_facts
from orders.models import Address, Order, transition_names
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle import editing, transitions
from orders.services.reporting import attention
from orders.services.stock.resolution import resolve_line
from orders.services.text_rules import ADDRESS_FIELDS

if TYPE_CHECKING:
    from django.http import QueryDict

Change = Callable[[Order, "QueryDict", Act], str]
"""Carries out what was posted and says what it did. :raises OrderError:"""

VERSION = re.compile(r"[0-9]{1,18}\Z")
SMALL = re.compile(r"[0-9]{1,9}\Z")
ANSWERS = {"yes": True, "no": False}
"""What the two buttons of an unknown line say: whether inventory carried out the call."""
ADDRESS_LABELS = {
    "name": "Recipient name", "company": "Company", "line1": "Address", "line2": "Apartment, suite, etc.",
    "city": "City", "state": "State or province", "postal_code": "Postal code", "country": "Country", "phone": "Phone",
}  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """What somebody typed into a form that changed nothing: shown there again."""

    form: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, list[str]] = field(default_factory=dict)

    def text(self, form: str, name: str) -> str:
        return self.typed.get(name, "") if form == self.form else ""


def kept(post: "QueryDict", error: OrderError | None = None) -> Kept:
    """What was typed, and into which form: a transition's, `address`, `note`, or that of a `line`."""
    fallbacks = {"line1": "address", "text": "note", "line": f"line {post.get('line', '')}"}
    form = post.get("transition") or next((form for name, form in fallbacks.items() if name in post), "")
    typed = {name: str(post[name]) for name in ("reason", "text", *ADDRESS_FIELDS) if name in post}
    return Kept(form, typed, error.members.get("errors", {}) if error else {})


def seen_version(post: "QueryDict") -> int | None:
    """The version that the page was showing; None where that is not said."""
    given = post.get("version", "")
    return int(given) if VERSION.match(given) else None


def change_status(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `transition`, `version` and `reason`."""
    name, version = post.get("transition", ""), seen_version(post)
    if name not in transition_names():
        raise OrderError("Unknown action.")
    act.actor.require_transition(name, order.user_id)
    if version is None:
        raise OrderError("The form is incomplete. Reload the page and try again.")
    changed = transitions.change_status(order_id=order.pk, transition=name, act=act, expected_version=version)
    return f"Order {order.number} is now {changed['status']}."


def change_address(order: Order, post: "QueryDict", act: Act) -> str:
    """Take the address's fields, `version` and `reason`."""
    act.actor.require(access.CHANGE_ADDRESS)
    version = seen_version(post)
    if version is None:
        raise OrderError("The form is incomplete. Reload the page and try again.")
    address = Address(**{name: post.get(name, "") for name in ADDRESS_FIELDS})
    editing.change_address(order_id=order.pk, address=address, act=act, expected_version=version)
    return f"The shipping address of order {order.number} is now {address}."


def write_note(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `text`."""
    editing.write_note(order_id=order.pk, text=post.get("text", ""), act=act)
    return "Note added."


def resolve(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `line`, `attempts`, `happened` and `reason`."""
    act.actor.require(access.RESOLVE)
    answer, line, attempts = (post.get(name, "") for name in ("happened", "line", "attempts"))
    if answer not in ANSWERS or not (SMALL.match(line) and SMALL.match(attempts)):
        raise OrderError("The form is incomplete. Reload the page and try again.")
    changed = resolve_line(
        order_id=order.pk, line=int(line), happened=ANSWERS[answer], act=act, expected_attempts=int(attempts)
    )
    outcome = labels.settled(changed["items"][int(line)]["stock"]["state"])
    return f"Item {int(line) + 1} of order {order.number}: {outcome}."


def require_permission(name: str, transition: str, actor: Actor) -> None:
    """Before all else: somebody who may not act is not told what is wrong with the form.

    :param name: what the attention page calls the act.
    :raises NotPermitted:
    """
    if name in ("resolve", "retry", "accept"):
        actor.require(access.RESOLVE)
    elif name == "verify":
        actor.require_transition("cancel", "")
    elif name == "transition" and transition in transition_names():
        actor.require_transition(transition, "")


def retry(order: Order, post: "QueryDict", act: Act) -> str:
    """Let the worker try the stock of the order at once."""
    attention.retry_now(order_id=order.pk, act=act)
    return f"The stock of order {order.number} is queued for a retry."


def accept_shortage(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `line`, `discrepancy` and `reason`."""
    line, missing = post.get("line", ""), post.get("discrepancy", "")
    if not (SMALL.match(line) and SMALL.match(missing)):
        raise OrderError("The form is incomplete. Reload the page and try again.")
    attention.accept_shortage(order_id=order.pk, line=int(line), discrepancy=int(missing), act=act)
    return f"The short release of item {int(line) + 1} of order {order.number} is acknowledged."


def verify_user(order: Order, post: "QueryDict", act: Act) -> str:
    """Ask the user service about the customer of an order that was placed without it."""
    attention.verify_user(order_id=order.pk, act=act)
    return f"Customer {order.user_id} of order {order.number} is verified."


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


def offered(order: Order, actor: Actor, kept: Kept) -> dict[str, Any]:
    """The forms that this actor may fill in now, and their names as `kept` has them."""
    steps = order_facts.steps(order, actor)
    unknown = [
        {"index": index, "number": index + 1, "item": item, "reason": kept.text(f"line {index}", "reason")}
        for index, item in (order_facts.unknown_lines(order) if actor.has(access.RESOLVE) else [])
    ]
    movable = actor.has(access.CHANGE_ADDRESS) and editing.may_change_address(order.status)
    may_note = actor.has(access.WRITE_NOTES)
    names = [step.name for step in steps] + [f"line {line['index']}" for line in unknown]
    return {
        "steps": steps,
        "unknown": unknown,
        "address": address_fields(order, kept) if movable else [],
        "may_note": may_note,
        "names": [*names, *(["address"] if movable else []), *(["note"] if may_note else [])],
    }
