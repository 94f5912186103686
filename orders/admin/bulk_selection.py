"""Which orders a bulk action on the list is about: the ticked ones, or all that the list's address asks for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin import bulk_labels
from orders.admin.list_form import ListForm, unknown_in
from orders.admin.local_formats import count
from orders.models import PUBLIC_STATUSES
from orders.services.errors import OrderError
from orders.services.identifiers import object_id
from orders.services.order_queries import OrderKeys, OrderQuery, as_given, first_ids

MOST_NAMED = 10_000
"""Orders that are taken down one by one, where only the list itself can tell which they are."""
FIRST_YEAR = 2000
NO_MATCH = gettext_lazy("No orders match the filter.")
TICK_FIRST = gettext_lazy("Select orders first, then choose an action.")


@dataclass(frozen=True)
class Chosen:
    """A selection, and how it is said.

    :ivar words: which orders, for people.
    :ivar note: what else they should know; empty if nothing.
    :ivar fields: what a form posts to choose the very same again.
    """

    selection: OrderQuery
    words: str
    note: str
    fields: dict[str, str]


def of_list(query: QueryDict, posted: QueryDict) -> Chosen:
    """What the list's own form chooses.

    :param query: the list's address, which says by what it is filtered.
    :raises OrderError: nothing is chosen, or it cannot be understood.
    """
    if posted.get("across") == "1":
        return _matching(query, timezone.now())
    return _named(posted.getlist("_selected_action"))


def first_of_list(query: QueryDict, posted: QueryDict, most: int) -> list[ObjectId]:
    """Ids of the orders that the list's own form chooses, drafts among them, in the order of the list.

    :param most: how many there may be; one more is returned where there are more.
    :raises OrderError: nothing is chosen, or it cannot be understood.
    """
    if posted.get("across") != "1":
        return keys_of(posted.getlist("_selected_action"))[: most + 1]
    ids = first_ids(_asked(query, timezone.now()), most + 1)
    if not ids:
        raise OrderError(str(NO_MATCH))
    return ids


def of_confirmation(posted: QueryDict) -> Chosen:
    """What the confirmation page posts: the fields of a :class:`Chosen`.

    :raises OrderError: nothing is chosen, or it cannot be understood.
    """
    if "filter" not in posted:
        return _named(filter(None, posted.get("ids", "").split(",")))
    at = moment(posted.get("at", ""))
    if at is None:
        raise OrderError(_("The form is incomplete."))
    return _matching(QueryDict(posted.get("filter", "")), at)


def of_address(query: QueryDict) -> Chosen:
    """What the address of a confirmation chooses, as of now: orders by id, or all that a filter of the list means.

    :raises OrderError: nothing is chosen, or it cannot be understood.
    """
    if "ids" in query or "filter" not in query:
        return _named(filter(None, query.get("ids", "").split(",")))
    return _matching(QueryDict(query.get("filter")), timezone.now())


def keys_of(given: Iterable[str]) -> list[ObjectId]:
    """Ids as a form or an address names them, each once.

    :raises OrderError: there is none, or too many, or it is something else.
    """
    ids = list(dict.fromkeys(given))
    if not ids:
        raise OrderError(str(TICK_FIRST))
    if len(ids) > MOST_NAMED:
        raise OrderError(_("Select at most %(most)s orders at a time.") % {"most": count(MOST_NAMED)})
    keys = [key for order_id in ids if (key := object_id(order_id))]
    if len(keys) < len(ids):
        raise OrderError(_("The selection contains something other than orders."))
    return list(dict.fromkeys(keys))


def _named(given: Iterable[str], note: str = "") -> Chosen:
    keys = keys_of(given)
    fields = {"ids": ",".join(map(str, keys))}
    return Chosen(OrderQuery(keys=OrderKeys(keys)), bulk_labels.orders(len(keys)), note, fields)


def _asked(query: QueryDict, at: datetime) -> OrderQuery:
    """What the list's address asks for. :raises OrderError:"""
    form = ListForm(query)
    if unknown_in(query) or not form.is_valid():
        problems = " ".join(form.problems()) or _("It contains an unknown field.")
        raise OrderError(_("The filter is not valid. %(problems)s") % {"problems": problems})
    return form.query(at)


def _matching(query: QueryDict, at: datetime) -> Chosen:
    """All orders that the list's address asks for, but none that was placed after `at`."""
    asked = _asked(query, at).by_creation
    if asked.is_for_lists:
        return _first_of(asked)
    statuses = tuple(status for status in asked.statuses if status in PUBLIC_STATUSES)
    if asked.statuses and not statuses:
        raise OrderError(_("Drafts and rejected orders cannot be changed."))
    if asked.since and asked.since >= at:
        raise OrderError(str(NO_MATCH))
    before = min(filter(None, (asked.before, at)))
    selection = replace(asked, statuses=statuses, before=before, drafts=False)
    note = _("Drafts and rejected orders are left out.") if statuses != asked.statuses else ""
    fields = {"filter": query.urlencode(), "at": at.isoformat()}
    return Chosen(selection, bulk_labels.selection(as_given(selection), named=True), note, fields)


def _first_of(query: OrderQuery) -> Chosen:
    ids = first_ids(query, MOST_NAMED + 1)
    if not ids:
        raise OrderError(str(NO_MATCH))
    note = ""
    if len(ids) > MOST_NAMED:
        note = _more_than_named(query) % {"most": count(MOST_NAMED)}
    return _named(map(str, ids[:MOST_NAMED]), note)


def _more_than_named(query: OrderQuery) -> str:
    if query.oldest_first:
        return _(
            "More than %(most)s orders match this filter. These are the oldest %(most)s: "
            "repeat the action for the rest."
        )
    return _(
        "More than %(most)s orders match this filter. These are the newest %(most)s: repeat the action for the rest."
    )


def moment(text: str) -> datetime | None:
    """The moment that a form says it was made at; None where it cannot have been."""
    now = timezone.now()
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    # By the year first: the ends of the calendar cannot be turned into another time zone.
    if found is None or not found.tzinfo or not FIRST_YEAR <= found.year <= now.year + 1:
        return None
    return found if found <= now else None
