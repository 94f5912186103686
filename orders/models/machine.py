"""What the state machine allows, derived from the transitions of :class:`Order`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import can_proceed as can_proceed  # part of what the machine allows

from orders.models.order import Order, every_line_reserved, not_on_hold, nothing_shipped
from orders.models.states import DATED_STATUSES, PUBLIC_STATUSES, Status, StockEffect

LABELS = {
    "pay": _("Mark as paid"),
    "start_processing": _("Start processing"),
    "ship": _("Mark as shipped"),
    "deliver": _("Mark as delivered"),
    "cancel": pgettext_lazy("to cancel an order", "Cancel"),
    "refund": pgettext_lazy("to refund an order", "Refund"),
}
"""The transitions as staff call them, by what they record where they do not do it themselves."""

CONDITION_WORDS: dict[Callable[..., bool], Promise] = {
    every_line_reserved: _("Not every line of it is reserved."),
    nothing_shipped: _("A part of it has been shipped. Cancel the items that have not."),
    not_on_hold: _("It is on hold."),
}
"""What is said where a condition of the machine is not met."""


def condition_words(edge: "Edge", order: Order) -> str:
    """Why a condition refuses a transition to an order; empty where none does."""
    return " ".join(str(CONDITION_WORDS[condition]) for condition in edge.conditions if not condition(order))


@dataclass(frozen=True)
class Edge:
    """One arrow of the machine: `name` takes an order from `source` to `target`."""

    name: str
    source: str
    target: str
    permission: str | None
    doc: str
    conditions: tuple[Callable[[Order], bool], ...] = field(default=(), repr=False)

    @property
    def label(self) -> str:
        return transition_label(self.name)


@cache
def edges() -> tuple[Edge, ...]:
    """Every arrow of the machine, in the order of its statuses."""
    found = [
        Edge(
            name=transition.name,
            source=str(transition.source),
            target=str(transition.target),
            permission=str(transition.permission) if transition.permission else None,
            doc=(getattr(Order, transition.name).__doc__ or "").strip(),
            conditions=tuple(transition.conditions),
        )
        for transition in Order._meta.get_field("status").get_all_transitions(Order)
    ]
    rank = {status.value: position for position, status in enumerate(Status)}
    return tuple(sorted(found, key=lambda edge: (rank[edge.source], rank[edge.target])))


@cache
def public_edges() -> tuple[Edge, ...]:
    """The arrows that people take: those between two public statuses."""
    return tuple(edge for edge in edges() if {edge.source, edge.target} <= set(PUBLIC_STATUSES))


def edges_from(status: str) -> tuple[Edge, ...]:
    """The arrows that leave a status, towards public ones."""
    return tuple(edge for edge in public_edges() if edge.source == status)


@cache
def transition_names() -> tuple[str, ...]:
    """The names of the transitions that people make, e.g. `ship`."""
    return tuple(dict.fromkeys(edge.name for edge in public_edges()))


def transition_label(name: str) -> str:
    """A transition as staff call it, e.g. `Start processing` or `Mark as paid`."""
    return str(LABELS[name])


@cache
def transition_towards(status: str) -> str | None:
    """The name of the transition that leads to a public status: there is at most one, whatever the source."""
    return next((edge.name for edge in public_edges() if edge.target == status), None)


@cache
def statuses_before(name: str) -> frozenset[str]:
    """The public statuses from which a transition by this name is still to come, e.g. `ship`: not shipped yet."""
    found = frozenset(edge.source for edge in public_edges() if edge.name == name)
    while more := {edge.source for edge in public_edges() if edge.target in found} - found:
        found |= more
    return found


@cache
def stock_effect(name: str) -> StockEffect:
    """What a transition by this name means for the lines that are reserved."""
    order = Order(status=next(edge.source for edge in edges() if edge.name == name))
    getattr(order, name)()
    return order.stock_effect


def moments(status: str, at: datetime) -> dict[str, datetime]:
    """The fields that tell when an order reached its status; every write that changes the status sets them."""
    fields = {"status_since": at}
    if status in DATED_STATUSES:
        fields[f"{status}_at"] = at
    return fields


@cache
def permission_of(name: str) -> str:
    """The permission that a transition by this name asks for, e.g. `orders.ship_order`."""
    return next(edge.permission for edge in public_edges() if edge.name == name and edge.permission)


@cache
def edges_named(name: str) -> tuple[Edge, ...]:
    """The arrows of one transition between public statuses; they all lead to one status."""
    return tuple(edge for edge in public_edges() if edge.name == name)
