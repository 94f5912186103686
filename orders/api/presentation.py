"""Stored orders as JSON-ready values, by hand: the serializers in this package document the same shapes."""

from typing import Any

from integrations.webhook_calls import Delivery
from orders.models import PUBLIC_STATUSES, BulkRun, Document, Edge, WebhookEndpoint
from orders.services.access import Actor
from orders.services.bulk import OrderResult, Plan
from orders.services.events.public_event import public_event
from orders.services.lifecycle.effects import Effect

OPEN = ("act", "from", "to", "via")
"""What customers may know of others' acts."""


def present_history(order: Document, actor: Actor) -> list[dict[str, Any]]:
    """What happened to an order, oldest first, as far as the actor may know.

    Customers see the changes of status and address and what was done to parts of the order, what kind of actor did it
    (customer, staff, …), and their own reasons. The names and reasons of others, holds, notes and stock are internal.
    """
    return [_present_entry(entry, actor) for entry in order["history"] if _is_shown(entry, actor)]


def _is_shown(entry: Document, actor: Actor) -> bool:
    if entry.get("line") is not None:
        return actor.sees_all
    if entry["to"]:
        return entry["to"] in PUBLIC_STATUSES
    return actor.knows_of(entry["act"], entry["to"])


def _present_entry(entry: Document, actor: Actor) -> dict[str, Any]:
    known = actor.knows(entry["actor"])
    shown: dict[str, Any] = {
        "at": entry["at"],
        "act": entry["act"],
        "from": entry["from"] if entry.get("line") is not None or entry["from"] in PUBLIC_STATUSES else None,
        "to": entry["to"] or None,
        "actor": actor.name_of(entry["actor"]),
        "via": entry["via"],
        "reason": entry["reason"] if known else "",
        "reason_code": (entry.get("code") or "") if known else "",
        "detail": (entry.get("detail") or "") if known else "",
        "request_id": entry["request_id"] if known else "",
    }
    return shown | ({"line": entry["line"]} if entry.get("line") is not None else {})


def present_event(event: Document, actor: Actor) -> dict[str, Any]:
    """One event of the feed, as far as the actor may know it."""
    shown = public_event(event)
    if actor.follows_all:
        return shown
    data = shown["data"] if actor.knows(shown["actor"]) else {n: shown["data"][n] for n in OPEN if n in shown["data"]}
    shown |= {"actor": actor.name_of(shown["actor"]), "data": data}
    return {name: value for name, value in shown.items() if name not in ("content_digest", "digest")}


def present_transition(edge: Edge, effect: Effect) -> dict[str, Any]:
    """A transition that the caller may make now, with what it would cause."""
    money = {"refunds": f"{effect.refunds:.2f}", "owes": f"{effect.owes:.2f}"}
    units = {"releases": effect.releases, "ships": effect.ships}
    return {"name": edge.name, "to": edge.target, "description": edge.doc, "effect": units | money}


def present_plan(plan: Plan, transition: str) -> dict[str, Any]:
    """What a run would do."""
    return {
        "transition": transition,
        "total": plan.total,
        "can": plan.can,
        "already": plan.already,
        "cannot": plan.cannot,
        "refused": [{"reason": reason, "orders": orders} for reason, orders in plan.refused.items()],
        "units": plan.units,
    }


RUN_FIELDS = (
    *("transition", "state", "selection", "reason", "reason_code", "actor", "via", "total", "selected", "done"),
    *("already", "refused", "failed", "last_error", "paused_until", "created_at", "started_at", "finished_at"),
)


def present_run(run: BulkRun) -> dict[str, Any]:
    """A run over many orders."""
    shown = {"id": str(run.pk), **{name: getattr(run, name) for name in RUN_FIELDS}}
    return shown | {"selection": {name: value for name, value in run.selection.items() if name != "digest"}}


def present_result(result: OrderResult) -> dict[str, str]:
    """What became of one order of a run."""
    return {"order_id": result.order_id, "number": result.number, "result": result.result, "reason": result.reason}


WEBHOOK_FIELDS = (
    *("url", "description", "types", "active", "stopped_because", "cursor", "failures", "failing_since", "due_at"),
    *("created_at", "created_by"),
)


def present_webhook(endpoint: WebhookEndpoint, newest: int) -> dict[str, Any]:
    """A webhook endpoint, without its secrets; `newest`: the number of the newest event."""
    shown = {"id": str(endpoint.pk), **{name: getattr(endpoint, name) for name in WEBHOOK_FIELDS}}
    return shown | {"secrets": len(endpoint.secrets), "lag": max(0, newest - endpoint.cursor)}


def present_test_delivery(result: Delivery) -> dict[str, Any]:
    """What became of a test event."""
    names = ("status", "milliseconds", "error")
    return {"delivered": result.succeeded, **{name: getattr(result, name) for name in names}}
