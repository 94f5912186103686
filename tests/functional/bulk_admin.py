"""How staff choose, confirm and follow bulk actions in the backoffice, as their browser would."""

import html
import re
import time
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database

from orders.models import BulkRun
from orders.services import bulk
from tests.functional.admin_helpers import LIST, Document

BULK = f"{LIST}bulk/"
RUNS = "/admin/orders/bulkrun/"


def choose(client: Client, action: str, orders: Sequence[Document] = (), query: str = "", **more: str) -> HttpResponse:
    """Post the list's own form: a transition of the ticked orders."""
    ticked = [str(order["_id"]) for order in orders]
    return client.post(f"{LIST}{query}", {"action": action, "_selected_action": ticked, "index": "0"} | more)


def across(client: Client, action: str, query: str) -> HttpResponse:
    """Post the list's own form: a transition of all that match its address."""
    return choose(client, action, query=query, across="1")


def form_of(response: HttpResponse) -> dict[str, str]:
    """What the form of a confirmation page posts as it stands."""
    content = response.content.decode()
    [form] = re.findall(rf'<form method="post" action="{BULK}[^"]*".*?</form>', content, re.S)
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in fields}


def confirm(client: Client, response: HttpResponse, reason: str = "", **changes: str) -> HttpResponse:
    """Press the button of a confirmation page."""
    return client.post(BULK, form_of(response) | {"reason": reason} | changes)


def page_of(run: BulkRun) -> str:
    return f"{RUNS}{run.pk}/change/"


def only_run() -> BulkRun:
    [run] = BulkRun.objects.all()
    return run


def worker_pass() -> None:
    """What the workers do until no run is left to them."""
    until = time.monotonic() + 60
    while (
        bulk.execute_pending_runs(seconds=5)
        or BulkRun.objects.filter(state="paused", paused_until__isnull=False).exists()
    ):
        assert time.monotonic() < until, list(BulkRun.objects.values())


def statuses(database: Database[Document]) -> dict[str, int]:
    """How many orders are in each status."""
    rows: list[dict[str, Any]] = list(database["orders"].aggregate([{"$group": {"_id": "$status", "n": {"$sum": 1}}}]))
    return {row["_id"]: row["n"] for row in rows}
