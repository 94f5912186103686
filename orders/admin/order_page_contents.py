"""Everything that the page of an order shows its reader."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from orders.admin import desk_forms, list_place, offered_forms, order_facts, printing, replacement, timeline
from orders.admin.offered_forms import Kept
from orders.admin.posted import seen_version
from orders.admin.staff_actions import actor_of
from orders.models import Order


def contents(request: HttpRequest, order: Order, kept: Kept) -> dict[str, Any]:
    """What the page's template needs.

    :param kept: what was typed into a form of the page that was refused.
    """
    actor, now = actor_of(request), timezone.now()
    seen = seen_version(request.POST)
    missed = order_facts.changes_since(order, seen) if seen is not None and seen < order.version else []
    forms = offered_forms.offered(order, actor, kept, now)
    around = list_place.around(request, order, now)
    request.list_left = around.back  # type: ignore[attr-defined]  # for the theme's head of the page
    return {
        "original": order,
        "title": order.number,
        "kept": kept,
        "facts": order_facts.facts(order, now),
        "erasure": order_facts.erasure(order, now),
        "replacement": replacement.shown(order, actor),
        "timeline": timeline.timeline(order, now),
        "missed": timeline.entries(order, missed, now),
        "desk": desk_forms.desk(order, actor, request.user, kept),
        "prints": printing.DOCUMENTS,
        "list": around,
        "form_gone": kept.form not in ["", *forms.pop("names")],
        **forms,
    }
