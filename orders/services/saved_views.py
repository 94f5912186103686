"""Views of the list that people keep under a name, for themselves or for everybody, and the columns that they chose."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from django.utils.translation import gettext as _

from orders.models import ListColumns, SavedView
from orders.services.access import SHARE_VIEWS, Actor, NotPermitted
from orders.services.errors import OrderError, RefusalKind
from orders.services.text_rules import one_line, problem_of

MOST_VIEWS = 50
"""Of one person."""
MOST_SHARED = 200
"""So many of those that others share are shown."""
LONGEST_NAME = 60
LONGEST_QUERY = 2_000


class InvalidView(OrderError):
    """A view cannot be kept so; `errors` says why, by field."""

    code = "invalid_view"
    kind = RefusalKind.INVALID


class TooManyViews(OrderError):
    code = "too_many_views"
    kind = RefusalKind.CONFLICT


class ViewNotFound(OrderError):
    """It is gone, or somebody else's own."""

    code = "view_not_found"
    kind = RefusalKind.NOT_FOUND


def views_for(owner: ObjectId) -> list[SavedView]:
    """A person's own views, and those that others share, each by name."""
    own = SavedView.objects.filter(owner_id=owner)
    shared = SavedView.objects.filter(shared=True).order_by("name")[:MOST_SHARED]
    others = [view for view in shared if view.owner_id != owner]
    return [*sorted(own, key=lambda view: view.name.casefold()), *others]


def save(*, name: str, query: str, shared: bool, actor: Actor, owner: ObjectId, at: datetime) -> SavedView:
    """Keep an address of the list under a name; whoever has one of that name changes it.

    :param query: parameters that the list can read.
    :raises NotPermitted: the actor may not share views.
    :raises InvalidView, TooManyViews:
    """
    fields: dict[str, Any] = {"name": _valid_name(name), "query": query, "shared": shared}
    if shared:
        actor.require(SHARE_VIEWS)
    if len(query) > LONGEST_QUERY:
        raise InvalidView(_("This filter is too long to be saved."))
    own = SavedView.objects.filter(owner_id=owner)
    if own.filter(name=fields["name"]).update(query=query, shared=shared):
        return own.filter(name=fields["name"])[0]
    if len(own) >= MOST_VIEWS:
        raise TooManyViews(_("You have %(most)d saved views. Delete one first.") % {"most": MOST_VIEWS})
    return SavedView.objects.create(owner_id=owner, created_at=at, **fields)


def change(view_id: ObjectId, *, name: str, shared: bool, actor: Actor, owner: ObjectId) -> SavedView:
    """Rename a view, share it, or share it no longer.

    :raises NotPermitted: the actor may not share views.
    :raises InvalidView, ViewNotFound:
    """
    view = _changeable(view_id, actor, owner)
    if shared and not view.shared:
        actor.require(SHARE_VIEWS)
    view.name, view.shared = _valid_name(name), shared
    view.save(update_fields=["name", "shared"])
    return view


def delete(view_id: ObjectId, *, actor: Actor, owner: ObjectId) -> SavedView:
    """:raises NotPermitted, ViewNotFound:"""
    view = _changeable(view_id, actor, owner)
    SavedView.objects.filter(pk=view.pk).delete()
    return view


def may_change(view: SavedView, actor: Actor, owner: ObjectId) -> bool:
    """One's own, and of the shared ones those of others too, for whoever may share."""
    return view.owner_id == owner or (view.shared and actor.has(SHARE_VIEWS))


def _changeable(view_id: ObjectId, actor: Actor, owner: ObjectId) -> SavedView:
    view = SavedView.objects.filter(pk=view_id).first()
    if view is None or not (view.shared or view.owner_id == owner):
        raise ViewNotFound(_("This view no longer exists."))
    if not may_change(view, actor, owner):
        raise NotPermitted(_("You may not change a view that somebody else shares."))
    return view


def _valid_name(given: str) -> str:
    name = one_line(given)
    problem = problem_of(name)
    if not name:
        problem = _("Enter a name.")
    elif len(name) > LONGEST_NAME:
        problem = _("A name has at most %(longest)d characters.") % {"longest": LONGEST_NAME}
    if problem:
        raise InvalidView(problem, errors={"name": [problem]})
    return name


def columns_of(user: ObjectId) -> list[str]:
    """The columns that a person has chosen; none where they have chosen none."""
    chosen = ListColumns.objects.filter(user_id=user).first()
    return chosen.names if chosen else []


def choose_columns(names: Sequence[str], *, user: ObjectId) -> None:
    """Keep the columns that a person chose; without any, they see the usual ones again.

    :param names: as the list knows them.
    """
    chosen = ListColumns.objects.filter(user_id=user)
    if not names:
        chosen.delete()
    elif not chosen.update(names=list(names)):
        ListColumns.objects.create(user_id=user, names=list(names))
