"""The stage of the matrix: orders, a run and logins to act on, and a look at all that is stored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

from bson import Decimal128, ObjectId
from django.contrib.auth.models import Group, User
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from orders.models import SavedView, WebhookEndpoint
from orders.services import access, bulk
from orders.services.audit import Act
from orders.services.events.telling import tell
from orders.storage.order_query import OrderQuery
from tests.functional.access.callers import OWNER, made
from tests.functional.access.routes import Route
from tests.functional.access.rules import Ask
from tests.functional.admin_helpers import Document, insert, insert_each_status, line, stored

ASIDE = {"django_session", "figures_by_day", "rate_limits", "staff_sign_ins", "vitals"}
"""What reading may write: sessions, when they were last seen, and the figures of the dashboard, which whoever opens it
may have to count."""


@dataclass(frozen=True)
class Snapshot:
    """All that was stored, by collection, and the checksum of each."""

    documents: dict[str, list[Document]]
    marks: dict[str, str]


@dataclass(frozen=True)
class Stage:
    """:ivar ids: the ids of orders by status or plight, of the run, of a webhook endpoint, and of a token, a user and a
    group that nobody acts as."""

    database: Database[Document]
    ids: dict[str, str]

    def named(self, order: str = "pending") -> dict[str, str]:
        """What the addresses of the API name: an order, its first parts, a run, a webhook endpoint and a user."""
        ids = {"order_id": order, "run_id": "run", "webhook_id": "endpoint"}
        first = {"shipment_number": "0", "return_number": "0"}
        return {"user_id": OWNER, **first, **{name: self.ids[known] for name, known in ids.items()}}

    def marks(self) -> dict[str, str]:
        """A checksum of each collection that reading leaves as it is."""
        return {name: mark for name, mark in self._all_marks().items() if name not in ASIDE}

    def documents(self) -> dict[str, list[Document]]:
        names = self.database.list_collection_names()
        return {name: list(self.database[name].find()) for name in names if not name.startswith("system.")}

    def snapshot(self) -> Snapshot:
        return Snapshot(self.documents(), self._all_marks())

    def restore(self, before: Snapshot) -> None:
        """Put everything back as it was."""
        for name in changed(before.marks, self._all_marks()):
            self.database[name].delete_many({})
            if before.documents.get(name):
                self.database[name].insert_many(before.documents[name])

    def _all_marks(self) -> dict[str, str]:
        found: dict[str, str] = self.database.command("dbHash")["collections"]
        return found

    def ask(self, client: Client, route: Route, ask: Ask) -> HttpResponseBase:
        """Send a request with the cookies that the client began with, as JSON to the API and as a form elsewhere."""
        cookies = client.cookies
        client.cookies = SimpleCookie(cookies.output(header="", sep=";"))
        try:
            return _send(client, route.address(self._values(ask)), ask, self._body(ask), route.kind == "api")
        finally:
            client.cookies = cookies

    def address(self, route: Route, ask: Ask) -> str:
        """Where a request of an address goes, with its query."""
        return f"{route.address(self._values(ask))}{'?' * bool(ask.query)}{ask.query}"

    def _values(self, ask: Ask) -> dict[str, str]:
        usual = {
            **self.named(), "object_id": "pending", "id": "user", "app_label": "orders", "url": "nothing",
            "content_type_id": "1", "code": "invalid", "endpoint_id": "endpoint", "cursor": "1", "token_id": "token",
            "role": "role", "uidb64": "eA", "token": "x-y",
            "name": "days",
        }  # fmt: skip
        return {name: self.ids.get(value, value) for name, value in (usual | dict(ask.values)).items()}

    def _body(self, ask: Ask) -> Any:
        values = {**self._values(ask), "now": timezone.now().isoformat()}
        if not isinstance(ask.body, Mapping):
            return ask.body
        return {name: re.sub(r"^\{(\w+)\}$", lambda found: values[found[1]], value) if isinstance(value, str) else value
                for name, value in ask.body.items()}  # fmt: skip


def _send(client: Client, address: str, ask: Ask, body: Any, is_json: bool) -> HttpResponseBase:
    if body is None:
        return client.generic(ask.method, address, QUERY_STRING=ask.query)
    if is_json:
        return client.generic(ask.method, address, client._encode_json(body, "application/json"), "application/json")
    return client.post(address, body)


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The collections that are not as they were."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def set_up(database: Database[Document]) -> Stage:
    """Orders of OWNER in every status and plight, and a run that is paused."""
    orders = insert_each_status(database)
    later = timezone.now() + timedelta(hours=1)
    sent = line("used") | {"shipment": 0}
    parcel = {"at": timezone.now(), "carrier": "UPS", "tracking_number": "1Z9", "tracking_url": ""}
    asleep = {"until": later, "reason": "", "actor": "staff:Finance", "alerts": ["money"], "status": "paid"}
    plights: dict[str, Document] = {
        "unknown": {"status": "cancelled", "items": [line("unknown", call="release")]},
        "owed": {"status": "cancelled", "items": [line("releasing", call="release")], "stock_due_at": later},
        "snoozed": {"status": "paid", "owed": Decimal128("1.00"), "snoozed": asleep},
        "short": {"status": "cancelled", "items": [line("released", discrepancy=1)]},
        "unverified": {"user_verified": False},
        "parcelled": {"status": "processing", "items": [sent, line()], "shipments": [parcel]},
        "sent": {"status": "shipped", "items": [sent], "shipments": [parcel]},
        "returned": {
            "status": "shipped",
            "items": [sent | {"returned_in": 0}],
            "shipments": [parcel],
            "returns": [{"at": timezone.now(), "code": "customer"}],
        },
        "assigned": {"status": "paid", "assignee": {"id": "6" * 24, "name": "Nia"}, "tags": ["a"], "tag_keys": ["a"]},
        "held": {"status": "paid", "held_at": later, "hold": {"code": "fraud", "reason": "", "actor": "staff:Finance"}},
        "returnable": {"status": "shipped", "items": [line("used")]},
        "parted": {
            "status": "processing",
            "items": [line(), line("used") | {"shipment": 0, "returned_in": 0}],
            "shipments": [{"at": later, "carrier": "", "tracking_number": "", "tracking_url": ""}],
            "returns": [{"at": later, "code": "customer"}],
        },
    }  # fmt: skip
    for number, (name, changes) in enumerate(plights.items(), start=20):
        orders[name] = insert(database, stored(number, **changes))
    ids = {name: str(order["_id"]) for name, order in orders.items()}
    selection = OrderQuery(keys=[ObjectId(ids["pending"])])
    act = Act(access.admin("7"), timezone.now())
    for name in ("run", "paused"):
        ids[name] = str(bulk.start_run(selection=selection, transition="pay", act=act).pk)
    bulk.pause_run(run_id=ObjectId(ids["paused"]), actor=act.actor)
    ids["user"] = str(User.objects.create_user("subject").pk)
    ids["role"] = str(Group.objects.get(name="Support").pk)
    view = SavedView.objects.create(owner_id=ObjectId(ids["user"]), name="Shared", shared=True, created_at=later)
    ids["view"] = str(view.pk)
    ids["group"] = str(Group.objects.create(name="Temporary").pk)
    ids["token"] = str(made().token.pk)
    ids["endpoint"] = _followed(database, orders["pending"])
    return Stage(database, ids)


def _followed(database: Database[Document], order: Document) -> str:
    """The id of a webhook endpoint that has had the one event of an order; nothing can be sent to it."""
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"untold_at": timezone.now(), "told": 0}})
    tell()
    endpoint = WebhookEndpoint.objects.create(
        url="https://127.0.0.1/", secrets=["whsec_c2VjcmV0"], cursor=1, created_at=timezone.now(), created_by="tests"
    )
    return str(endpoint.pk)
