"""What staff keep about an order for themselves: who takes care of it, its tags, and what may be its duplicate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from orders.admin.posted import required_version
from orders.models import Order
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.colleagues import Colleague, colleagues
from orders.services.lifecycle import assigning, tagging
from orders.services.reporting.duplicates import Duplicate, possible_duplicates
from orders.services.tags import LONGEST_TAG, MOST_TAGS

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.http import QueryDict

NOBODY = "nobody"
"""What the form says in place of a colleague."""


class Typed(Protocol):
    """What was typed into a form that was refused: see `offered_forms.Kept`."""

    def text(self, form: str, name: str) -> str: ...


@dataclass(frozen=True)
class Twin:
    """An order that this one may be a duplicate of. :ivar when: it was placed, compared with this one."""

    address: str
    number: str
    when: str


@dataclass(frozen=True)
class Desk:
    """Who takes care of an order, and what it is called.

    :ivar has_left: the assignee can no longer open orders.
    :ivar others: whom the reader may assign it to, but whoever has it, and themselves.
    :ivar can_take: the reader may assign it to themselves.
    :ivar tags: each with the address of the list of orders that have it.
    """

    assignee: str
    has_left: bool
    is_mine: bool
    can_take: bool
    may_assign: bool
    others: list[Colleague]
    chosen: str
    may_tag: bool
    tags: Mapping[str, str]
    tag_typed: str
    twins: list[Twin]
    longest_tag: int = LONGEST_TAG
    most_tags: int = MOST_TAGS


def assign(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version` and `to`: the id of a login, or NOBODY."""
    act.actor.require(access.ASSIGN)
    version, to = required_version(post), post.get("to", "")
    if to == NOBODY:
        assigning.unassign(order_id=order.pk, act=act, expected_version=version)
        return _("Order %(number)s is assigned to nobody.") % {"number": order.number}
    done = assigning.assign(order_id=order.pk, to=to, act=act, expected_version=version)
    return _("Order %(number)s is assigned to %(name)s.") % {"number": order.number, "name": done["assignee"]["name"]}


def tag(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `tag`, one or several with commas between them, or `remove`: one that the order has."""
    if gone := post.get("remove", ""):
        tagging.remove_tag(order_id=order.pk, tag=gone, act=act)
        return _("The tag “%(tag)s” is removed.") % {"tag": gone}
    done = tagging.add_tags(order_id=order.pk, text=post.get("tag", ""), act=act)
    return _("Order %(number)s has the tags: %(tags)s.") % {"number": order.number, "tags": ", ".join(done["tags"])}


def names(actor: Actor) -> list[str]:
    """The forms that this actor may fill in, as `kept` has them."""
    return [name for name, needed in (("assign", access.ASSIGN), ("tag", access.TAG)) if actor.has(needed)]


def desk(order: Order, actor: Actor, user: "AbstractBaseUser | AnonymousUser", kept: Typed) -> Desk:
    may_assign, had = actor.has(access.ASSIGN), order.assignee
    everybody = colleagues() if may_assign or had else []
    me, ids = Colleague.of(user), {colleague.id for colleague in everybody}
    return Desk(
        assignee=had.name if had else "",
        has_left=bool(had) and had.id not in ids,
        is_mine=bool(had) and had.id == me.id,
        can_take=may_assign and me.id in ids and not (had and had.id == me.id),
        may_assign=may_assign,
        others=[other for other in everybody if may_assign and other.id not in (me.id, had and had.id)],
        chosen=kept.text("assign", "to"),
        may_tag=actor.has(access.TAG),
        tags={tag: f"{reverse('admin:orders_order_changelist')}?{urlencode({'tag': tag})}" for tag in order.tags},
        tag_typed=kept.text("tag", "tag"),
        twins=[_twin(order, found) for found in possible_duplicates(order)],
    )


def _twin(order: Order, found: Duplicate) -> Twin:
    first, second = sorted((order.created_at, found.placed_at))
    apart = timesince(first, second, depth=1).replace("\xa0", " ")
    if (second - first).total_seconds() < 60:
        when = _("placed within a minute")
    elif found.placed_at < order.created_at:
        when = _("placed %(minutes)s earlier") % {"minutes": apart}
    else:
        when = _("placed %(minutes)s later") % {"minutes": apart}
    return Twin(reverse("admin:orders_order_change", args=[found.id]), found.number, when)
