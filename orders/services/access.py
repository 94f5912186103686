"""Who may see and do what: the one place that decides it, for every edge."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, TypeVar, cast

from bson import ObjectId
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import (
    PART_ACTS,
    PUBLIC_STATUSES,
    Document,
    Order,
    permission_of,
    transition_names,
)
from orders.services.errors import OrderError, RefusalKind
from orders.services.words import transition_word
from orders.storage import order_reads
from orders.storage.foreign_orders import owner_of_foreign

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AbstractUser, AnonymousUser

VIEW = "orders.view_order"
RESOLVE = "orders.resolve_stock"
CHANGE_ADDRESS = "orders.change_address"
WRITE_NOTES = "orders.write_notes"
EXPORT = "orders.export_orders"
ERASE = "orders.erase_customer"
ASSIGN = "orders.assign_order"
TAG = "orders.tag_order"
RETURN = "orders.return_order"
HOLD = "orders.hold_order"
SNOOZE = "orders.snooze_order"
MANAGE_WEBHOOKS = "orders.manage_webhooks"
MANAGE_TOKENS = "orders.manage_service_tokens"
SHARE_VIEWS = "orders.share_views"
PLACE = "orders.place_orders"
PLACE_FOR_CUSTOMER = "orders.place_for_customer"
READ_EVENTS = "orders.read_events"

ADDRESS_CHANGED = "change_address"
"""The act by which the history names a change of the address."""
ERASED = "erase"
"""The act by which the history names the erasure of personal data."""

STAFF_WORK = {
    RESOLVE: gettext_lazy("You may not settle the stock of orders."),
    CHANGE_ADDRESS: gettext_lazy("You may not change where an order is shipped to."),
    WRITE_NOTES: gettext_lazy("You may not write notes."),
    EXPORT: gettext_lazy("You may not export orders."),
    ERASE: gettext_lazy("You may not erase personal data."),
    ASSIGN: gettext_lazy("You may not assign orders."),
    TAG: gettext_lazy("You may not tag orders."),
    RETURN: gettext_lazy("You may not take back what was shipped."),
    HOLD: gettext_lazy("You may not hold orders back, or lift holds."),
    SNOOZE: gettext_lazy("You may not snooze orders that need attention, or wake them up."),
    MANAGE_WEBHOOKS: gettext_lazy("You may not manage webhooks."),
    MANAGE_TOKENS: gettext_lazy("You may not manage service tokens."),
    PLACE_FOR_CUSTOMER: gettext_lazy("You may not place orders for customers."),
    SHARE_VIEWS: gettext_lazy("You may not share saved views, or change those that others share."),
}
"""What staff may do beside looking and making transitions: what they are told who may not."""
OF_SERVICES = (PLACE, READ_EVENTS)
"""What only services and admins do; staff who hold it may give it to services."""
NAMESPACE = "orders."
"""What the scopes of this service begin with in a JWT, which may carry those of others."""


class NotPermitted(OrderError):
    """The actor may not do this, whatever the state of the order."""

    code = "not_permitted"
    kind = RefusalKind.NOT_PERMITTED


class OrderNotFound(OrderError):
    """There is no such order, or none that the actor may know of."""

    code = "order_not_found"
    kind = RefusalKind.NOT_FOUND


class OrderNotAdopted(OrderNotFound):
    """There is a document of another service, which has not been made an order of this one: see docs/moving.md."""

    code = "order_not_adopted"


class Kind(StrEnum):
    CUSTOMER = "customer"
    ADMIN = "admin"
    SERVICE = "service"
    STAFF = "staff"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who acts, through which edge, and what they may do.

    :ivar id: the customer's canonical user id, the token's subject, the service's name, the staff login, or a process's
        name.
    :ivar permissions: Django's permission names, e.g. `orders.ship_order`.
    :ivar via: `api`, `admin`, `command` or `worker`; kept in the history.
    """

    kind: Kind
    id: str
    via: str
    permissions: frozenset[str] = frozenset()
    request_id: str = ""

    @property
    def label(self) -> str:
        """How the history names the actor, e.g. `customer:17`."""
        return f"{self.kind}:{self.id}"

    @property
    def sees_all(self) -> bool:
        return VIEW in self.permissions

    def has(self, permission: str) -> bool:
        return permission in self.permissions

    def sees(self, user_id: str) -> bool:
        """Tell whether the actor may read this user's orders."""
        return self.sees_all or self._is(user_id)

    def finds(self, user_id: str) -> bool:
        """Tell whether the actor may know of an order of this user's, to change it: a service need not read others."""
        return self.sees(user_id) or (self.kind is Kind.SERVICE and not self.permissions.isdisjoint(_changes()))

    @property
    def follows_all(self) -> bool:
        """Whether the feed tells the actor of everybody's orders, or of own ones alone."""
        return READ_EVENTS in self.permissions

    def require_one_of(self, scopes: Collection[str]) -> None:
        """Ask a service for one of these scopes, before anything is looked for; nobody else has scopes.

        :raises NotPermitted: naming them.
        """
        if self.kind is Kind.SERVICE and self.permissions.isdisjoint(permissions_of(scopes)):
            raise _scope_needed(scopes)

    def may(self, transition: str, user_id: str) -> bool:
        """Tell whether the actor may make this transition on an order of this user."""
        if permission_of(transition) in self.permissions:
            return True
        return transition == "cancel" and self._is(user_id)

    def require_transition(self, transition: str, user_id: str) -> None:
        """:raises NotPermitted: if :meth:`may` says no."""
        if not self.may(transition, user_id):
            raise self._refused(
                _("You may not %(transition)s this order.") % {"transition": transition_word(transition)},
                permission_of(transition),
            )

    def may_bulk(self, transition: str) -> bool:
        """Bulk runs are for those who see all orders and may make the transition on each of them."""
        return self.sees_all and permission_of(transition) in self.permissions

    def require_bulk(self, transition: str) -> None:
        """:raises NotPermitted: if :meth:`may_bulk` says no."""
        if not self.may_bulk(transition):
            needed = permission_of(transition) if self.sees_all else VIEW
            raise self._refused(
                _("You may not %(transition)s orders.") % {"transition": transition_word(transition)}, needed
            )

    def require_seeing_runs(self) -> None:
        """Runs over many orders tell about everybody's orders.

        :raises NotPermitted:
        """
        if not self.sees_all:
            raise self._refused(_("Runs over many orders are for admins."), VIEW)

    def require(self, permission: str) -> None:
        """:raises NotPermitted: if the actor may not do this; `permission` is one of STAFF_WORK."""
        if not self.has(permission):
            raise self._refused(str(STAFF_WORK[permission]), permission)

    def require_process(self, work: str) -> None:
        """Some work is for operators only, who run commands on the service's own machines.

        :raises NotPermitted:
        """
        if self.kind is not Kind.SYSTEM:
            raise NotPermitted(f"You may not {work}.")

    def require_placing_for(self, user_id: str) -> None:
        """Customers place orders for themselves; admins and services, for anybody; and so do staff who may.

        :raises NotPermitted:
        """
        if self.kind is Kind.STAFF:
            self.require(PLACE_FOR_CUSTOMER)
        elif not (self._is(user_id) or (self.kind in (Kind.ADMIN, Kind.SERVICE) and self.has(PLACE))):
            raise self._refused("You may not place an order in another user's name.", PLACE)

    def require_reading_of(self, user_id: str) -> None:
        """:raises NotPermitted: if the actor may not list this user's orders."""
        if not self.sees(user_id):
            raise self._refused("You may not list another user's orders.", VIEW)

    def require_searching(self) -> None:
        """Searches find everybody's orders.

        :raises NotPermitted:
        """
        if not self.sees_all:
            raise self._refused("Searching orders is for admins.", VIEW)

    def require_following(self) -> None:
        """Customers follow the events of their own orders; a service, those of everybody.

        :raises NotPermitted:
        """
        if not (self.follows_all or self.kind is Kind.CUSTOMER):
            raise self._refused("You may not follow the feed of events.", READ_EVENTS)

    def knows(self, label: str) -> bool:
        """Tell whether this actor may know another's name, reasons and ids of requests."""
        return self.sees_all or label == self.label

    def name_of(self, label: str) -> str:
        """Another actor's label as far as this one may know it: customers learn only the kind of the others."""
        return label if self.knows(label) else label.partition(":")[0]

    def knows_of(self, act: str, target: str) -> bool:
        """Tell whether the actor may know of such an entry of a history that they may see.

        Customers learn of statuses (`target`), of changes of the address, of erasures, and of parts that were shipped,
        cancelled, refunded or taken back; notes and holds are the shop's own.
        """
        return self.sees_all or target in PUBLIC_STATUSES or act in (ADDRESS_CHANGED, ERASED, *PART_ACTS)

    def _is(self, user_id: str) -> bool:
        return self.kind is Kind.CUSTOMER and self.id == user_id

    def _refused(self, told: str, permission: str) -> NotPermitted:
        """What the actor is told, who lacks this permission: a service, by the name of the scope."""
        needed = [scope for scope, gives in scopes().items() if gives == permission]
        return _scope_needed(needed) if needed and self.kind is Kind.SERVICE else NotPermitted(told)


def _scope_needed(needed: Collection[str]) -> NotPermitted:
    which = "the scope" if len(needed) == 1 else "one of the scopes"
    return NotPermitted(f"The token needs {which} {', '.join(needed)}.", scopes=list(needed))


OrderRead = TypeVar("OrderRead", Order, Document)


def visible(order: OrderRead | None, order_id: ObjectId | str, actor: Actor, *, to_change: bool = False) -> OrderRead:
    """The order, if there is one and the actor may know of it.

    :raises OrderNotFound: for another's order just as for none.
    """
    knows = actor.finds if to_change else actor.sees
    if order is None or not knows(order.user_id if isinstance(order, Order) else order["user_id"]):
        raise _not_found(order_id, actor)
    return order


def visible_whole(order_id: ObjectId, actor: Actor) -> Document:
    """The whole document of an order, as it is now, if the actor may know of it. :raises OrderNotFound:"""
    return visible(order_reads.get_whole(order_id), order_id, actor)


def _not_found(order_id: ObjectId | str, actor: Actor) -> OrderNotFound:
    """Asked in either case, so that another's order takes as long as none."""
    owner = owner_of_foreign(ObjectId(order_id)) if ObjectId.is_valid(order_id) else None
    if owner is not None and actor.sees(owner):
        return OrderNotAdopted(_("Order %(order)s is still with the service that took it.") % {"order": order_id})
    return OrderNotFound(_("There is no order %(order)s.") % {"order": order_id})


@cache
def every_permission() -> frozenset[str]:
    return frozenset({VIEW, *STAFF_WORK, *OF_SERVICES, *map(permission_of, transition_names())})


# --- the scopes of services ---


SCOPE_WORDS = {
    "read_orders": gettext_lazy("read all orders, their histories and bulk runs, and search"),
    "pay_order": gettext_lazy("mark orders as paid"),
    "cancel_order": gettext_lazy("cancel orders"),
    "start_processing_order": gettext_lazy("start processing orders"),
    "refund_order": gettext_lazy("refund orders"),
    "ship_order": gettext_lazy("ship orders"),
    "deliver_order": gettext_lazy("mark orders as delivered"),
    "return_order": gettext_lazy("take back shipped goods"),
    "hold_order": gettext_lazy("hold orders back, and lift holds"),
    "place_orders": gettext_lazy("place orders for any customer"),
    "read_events": gettext_lazy("follow the feed of events"),
    "manage_webhooks": gettext_lazy("manage webhooks"),
}
"""Scope → what it permits."""


class UnknownScope(OrderError):
    """There is no such scope."""

    code = "unknown_scope"
    kind = RefusalKind.INVALID


@cache
def scopes() -> dict[str, str]:
    """What a service's token may be given: scope → the permission that it stands for.

    No scope stands for work that no endpoint of the API offers.
    """
    named = (*map(permission_of, transition_names()), RETURN, HOLD, PLACE, READ_EVENTS, MANAGE_WEBHOOKS)
    return {"read_orders": VIEW} | {permission.removeprefix(NAMESPACE): permission for permission in named}


def scopes_typed(texts: Iterable[str]) -> list[str]:
    """Scopes as somebody wrote them, each with or without `orders.`, in their usual order.

    :raises UnknownScope: listing those that there are.
    """
    typed = {text.strip().removeprefix(NAMESPACE): text for text in texts}
    if unknown := [text for scope, text in typed.items() if scope not in scopes()]:
        raise UnknownScope(f"There is no scope {unknown[0][:100]!r}. There are: {', '.join(scopes())}.")
    return [scope for scope in scopes() if scope in typed]


def permissions_of(given: Iterable[str]) -> frozenset[str]:
    """The permissions that these scopes stand for; one that this version does not know stands for none."""
    return frozenset(scopes()[scope] for scope in given if scope in scopes())


def permissions_in(claim: object) -> frozenset[str]:
    """The permissions that a JWT's claim of scopes gives: a text of words (RFC 8693 section 4.2), or a list.

    Only what is spelt in full counts, with `orders.`: a customer's token may have scopes of other services.
    """
    words = claim.split(" ") if isinstance(claim, str) else claim if isinstance(claim, list) else []
    ours = [word for word in words if isinstance(word, str) and word.startswith(NAMESPACE)]
    return permissions_of(word.removeprefix(NAMESPACE) for word in ours)


@cache
def _changes() -> frozenset[str]:
    """The permissions by which an order is changed."""
    return frozenset({RETURN, HOLD, *map(permission_of, transition_names())})


# --- who there is ---


def customer(user_id: str, *, via: str = "api", request_id: str = "") -> Actor:
    """A customer, who sees and cancels own orders."""
    return Actor(Kind.CUSTOMER, user_id, via, request_id=request_id)


def admin(subject: str, *, via: str = "api", request_id: str = "") -> Actor:
    """The bearer of a token with the admin claim, who may do all that the API offers."""
    return Actor(Kind.ADMIN, subject, via, every_permission(), request_id)


def service(name: str, permissions: frozenset[str], *, via: str = "api", request_id: str = "") -> Actor:
    """Another service of the shop, with the permissions of its token's scopes."""
    return Actor(Kind.SERVICE, name, via, permissions, request_id)


def staff(user: "AbstractBaseUser | AnonymousUser", *, via: str = "admin", request_id: str = "") -> Actor:
    """A backoffice login, with the permissions of its groups."""
    permissions = frozenset(cast("AbstractUser", user).get_all_permissions())
    return Actor(Kind.STAFF, user.get_username(), via, permissions, request_id)


def staff_named(login: str) -> Actor | None:
    """The backoffice login of that name as it is now; None where it is gone or no longer active."""
    user = User.objects.filter(username=login, is_active=True, is_staff=True).first()
    return staff(user) if user else None


def system(name: str, *, via: str) -> Actor:
    """A process that runs on the operator's behalf: a worker or a command."""
    return Actor(Kind.SYSTEM, name, via, every_permission())
