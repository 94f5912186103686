"""The confirmation of a bulk action: how many orders it would change, and the form that starts it."""

import re
from datetime import timedelta
from urllib.parse import quote, urlencode

from bson import ObjectId
from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin import bulk_labels, bulk_selection
from orders.admin.bulk_selection import Chosen
from orders.admin.list_form import read_by
from orders.admin.local_formats import count
from orders.admin.staff_actions import act_of, actor_of
from orders.models import BulkRun
from orders.services import bulk
from orders.services.audit import LONGEST_REASON, REASON_NEEDED, Act, InvalidReason, ReasonMissing, require_reason
from orders.services.identifiers import object_id

LONGEST_LOOK = timedelta(minutes=15)
"""How long a confirmation page may stay open before its figures have to be shown again."""
LONGEST_ADDRESS = 3500
"""Of a confirmation, as the log-in's address quotes it; gunicorn takes 4,094 characters."""
SMALL = re.compile(r"[0-9]{1,9}\Z")


def of_list(request: HttpRequest) -> Chosen:
    """What the list's own form chooses. :raises OrderError:"""
    with bulk.counted_within(settings.BACKOFFICE_QUERY_MS / 1000):
        return bulk_selection.of_list(read_by(request.GET, request.user), request.POST)


def of_form(request: HttpRequest) -> Chosen:
    """What a confirmation form chooses. :raises OrderError:"""
    with bulk.counted_within(settings.BACKOFFICE_QUERY_MS / 1000):
        return bulk_selection.of_confirmation(request.POST)


def of_address(request: HttpRequest) -> Chosen:
    """What the address of a confirmation chooses, as of now. :raises OrderError:"""
    with bulk.counted_within(settings.BACKOFFICE_QUERY_MS / 1000):
        return bulk_selection.of_address(request.GET)


def address(request: HttpRequest, name: str) -> str:
    """Where the confirmation of what the list's form chooses is shown again; if that is too long, the list."""
    page, filtered = reverse("admin:orders_order_bulk"), {"filter": request.GET.urlencode()}
    named = {} if request.POST.get("across") == "1" else {"ids": ",".join(request.POST.getlist("_selected_action"))}
    full = f"{page}?{urlencode({'transition': name} | named | filtered, safe=',')}"
    return full if len(quote(full)) <= LONGEST_ADDRESS else f"{page}?{urlencode(filtered)}"


def shown(request: HttpRequest, name: str, chosen: Chosen, address: str, problem: str = "") -> dict[str, object]:
    """What the confirmation page shows.

    :param address: where it is shown again.
    :raises OrderError:
    """
    plan = _plan(request, name, chosen)
    action = bulk_labels.action(name, plan.can)
    hidden = chosen.fields | {"transition": name, "planned": str(plan.total), "run": str(ObjectId())}
    hidden |= {"can": str(plan.can), "shown": timezone.now().isoformat()}
    return {
        "title": _("%(action)s?") % {"action": action},
        "action": action,
        "target": bulk_labels.target(name),
        "chosen": chosen,
        "plan": plan,
        "figures": bulk_labels.figures(plan, name),
        "refusals": bulk_labels.refusals(plan),
        "releases": not bulk.is_batchable(name),
        "reason": request.POST.get("reason", ""),
        "needs_reason": name in REASON_NEEDED,
        "longest_reason": LONGEST_REASON,
        "problem": problem,
        "hidden": hidden,
        "address": address,
        "back": QueryDict(address.partition("?")[2]).get("filter", ""),
    }


def problem(request: HttpRequest, name: str, chosen: Chosen) -> str:
    """Why a confirmation form cannot be accepted; empty if it can."""
    try:
        require_reason(name, _act(request))
    except (InvalidReason, ReasonMissing) as error:
        return error.detail
    return _outdated(request, name, chosen)


def start(request: HttpRequest, name: str, chosen: Chosen) -> BulkRun:
    """Start the run of an accepted form; a small one is executed at once."""
    given, planned = request.POST.get("run", ""), request.POST.get("planned", "")
    run = bulk.start_run(
        selection=chosen.selection,
        transition=name,
        act=_act(request),
        run_id=object_id(given),
    )
    return bulk.execute_if_small(run, orders=int(planned)) if SMALL.match(planned) else run


def _act(request: HttpRequest) -> Act:
    """:raises InvalidReason:"""
    return act_of(request, request.POST.get("reason", ""))


def _outdated(request: HttpRequest, name: str, chosen: Chosen) -> str:
    """Why more orders would change than were confirmed; empty if not."""
    moment, can = bulk_selection.moment(request.POST.get("shown", "")), request.POST.get("can", "")
    if moment is None or timezone.now() - moment > LONGEST_LOOK or not SMALL.match(can):
        return _("This page was open for too long. The figures have been updated: please confirm again.")
    more = _plan(request, name, chosen).can - int(can)
    if more > 0:
        told = ngettext(
            "This would now change %(orders)s more order. Please confirm again.",
            "This would now change %(orders)s more orders. Please confirm again.",
            more,
        )
        return told % {"orders": count(more)}
    return ""


def _plan(request: HttpRequest, name: str, chosen: Chosen) -> bulk.Plan:
    with bulk.counted_within(settings.BACKOFFICE_QUERY_MS / 1000):
        return bulk.plan(selection=chosen.selection, transition=name, actor=actor_of(request))
