"""What the database keeps, what logs say and what the API answers is English, whatever language staff work in."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from django.utils.translation import get_language
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from observability.logs import JsonFormatter
from orders.models import ServiceToken, WebhookEndpoint
from orders.services import access, bulk
from orders.services.audit import Act
from orders.storage.order_query import OrderKeys, OrderQuery
from tests.api_client import token
from tests.functional.admin_helpers import (
    ADDRESS,
    LIST,
    Document,
    find,
    form_of,
    insert,
    page,
    placed,
    staff,
    stored,
    text_of,
)
from tests.functional.bulk_admin import RUNS, choose, confirm
from tests.functional.test_attention_page import PAGE, SELECTED, waiting
from tests.functional.test_new_orders import TOWEL, check, fields_of, place
from tests.marked_language import BEGIN, marked_german, translated  # noqa: F401

WHY = {"reason_code": "out_of_stock", "reason": "Broken"}
SESSIONS = "django_session"
"""What it holds is for the pages of whoever is logged in."""
OF_ITS_OWN = {"_id", "number", "terms", "request_id", "write_id"}
"""What differs between two orders of whom the same is told."""


def in_stock(sandbox: Sandbox, units: int) -> None:
    sandbox.control.put_product(
        TOWEL.product_id, name=TOWEL.name, price=Decimal(TOWEL.price), available=units, reserved=0
    )


class Desk:
    """A day of a manager in the backoffice, in a language."""

    def __init__(self, database: Database[Document], language: str) -> None:
        self.database, self.client = database, Client(headers={"accept-language": language})
        self.user = User.objects.filter(username="Manager").first() or staff("Manager")
        self.client.force_login(self.user)

    def obeyed(self, response: HttpResponse) -> HttpResponse:
        assert response.status_code == 302, text_of(response)
        return response

    def does(self, order: Document, name: str, **fields: Any) -> None:
        """Post a form of an order's page, which changes the order."""
        before = find(self.database, order)
        self.obeyed(self.client.post(form_of(order, name), {"version": before["version"], "form": name} | fields))
        assert find(self.database, order) != before, name

    def attends(self, order: Document, act: str, **fields: Any) -> None:
        """Press a button of the attention page, which changes the order."""
        before = find(self.database, order)
        form = {"act": act, "order": str(order["_id"]), "section": "unknown", SELECTED: str(order["_id"])} | fields
        self.obeyed(self.client.post(PAGE, form))
        assert find(self.database, order) != before, act

    def organises(self) -> None:
        order = placed()
        self.does(order, "note", text="Rang at noon")
        self.does(order, "address", **ADDRESS | {"line1": "2 Short Street"}, reason="Moved")
        self.does(order, "assign", to=str(self.user.pk))
        self.does(order, "assign", to="nobody")
        self.does(order, "tag", tag="gift, VIP")
        self.does(order, "tag", remove="VIP")
        self.does(order, "hold", **WHY)
        self.does(order, "lift", reason="Paid by now")
        self.does(order, "transition", transition="cancel", **WHY)
        self.does(order, "erase", erase="customer", reason="Request 4711")

    def ships_and_takes_back(self) -> None:
        order = placed("pay", "start_processing", quantity=6)
        self.does(order, "ship", quantity_0="1", carrier="UPS", tracking_number="1Z")
        self.does(order, "tracking", number="0", carrier="DHL", tracking_number="2")
        self.does(order, "cancellation", quantity_0="1", refund="yes", **WHY)
        self.does(order, "ship", quantity_0="4")
        self.does(order, "return", quantity_1="1", reason_code="customer")
        self.does(order, "receive", number="0", restock="no", refund="yes")
        self.does(order, "return", quantity_0="1", reason_code="customer", restock="yes")
        self.does(order, "refund", amount="1.20", reference="RF-1", **WHY)

    def attends_to_all(self) -> None:
        orders = waiting(self.database)
        self.attends(orders["unshipped"], "snooze", **{"for": "4", "reason": "On holiday"})
        self.attends(orders["unchecked"], "snooze", **{"for": "4", "reason": "On holiday"})
        self.attends(orders["unshipped"], "wake")
        self.attends(orders["owed"], "retry")
        self.attends(orders["short"], "accept", line="0", discrepancy="2", reason="Counted")
        self.attends(orders["unchecked"], "verify")
        self.does(orders["unknown"], "resolve", line="1", attempts="1", happened="yes", reason="Counted")

    def changes_many(self) -> None:
        """By runs that are executed while the person waits, one of them in several threads, and one that is not."""
        held = {"held_at": timezone.now(), "hold": {"code": "fraud", "reason": "", "actor": "staff:Manager"}}
        odd = stored(21, status="paid"), stored(22, status="shipped"), stored(23, status="processing", **held)
        insert(self.database, *odd, stored(24, status="placing"))
        for transition in ("ship", "cancel"):
            chosen = [*odd, placed("pay", "start_processing")]
            self.obeyed(confirm(self.client, choose(self.client, transition, chosen), "Season is over"))
        for step in ("pause", "cancel"):
            run = bulk.start_run(
                selection=OrderQuery(keys=OrderKeys([ObjectId()])),
                transition="pay",
                act=Act(access.staff(self.user), timezone.now()),
            )
            self.obeyed(self.client.post(f"{RUNS}{run.pk}/steer/", {"step": step}))

    def manages(self, name: str) -> None:
        self.client.post("/admin/orders/webhookendpoint/add/", {"url": f"https://shop.example/{name}"})
        [endpoint] = WebhookEndpoint.objects.filter(url=f"https://shop.example/{name}")
        for act in ("off", "on", "rotate"):
            self.client.post(f"/admin/orders/webhookendpoint/{endpoint.pk}/act/", {"act": act})
        self.client.post("/admin/orders/servicetoken/add/", {"name": name, "scopes": ["pay_order"], "days": "30"})
        [made] = ServiceToken.objects.filter(name=name)
        self.client.post(f"/admin/orders/servicetoken/{made.pk}/revoke/")
        self.obeyed(self.client.post(f"{LIST}views/", {"act": "save", "name": name, "query": "status=paid"}))

    def places_and_replaces(self, sandbox: Sandbox) -> None:
        """The last in vain: inventory does not reserve."""
        before = {order["_id"] for order in self.database["orders"].find({}, {"_id": 1})}
        self.obeyed(place(self.client, check(self.client)))
        [order] = self.database["orders"].find({"_id": {"$nin": list(before)}})
        address = form_of(order, "items")
        checked = self.client.post(address, fields_of(self.client.get(address)) | {"check": "1"})
        self.obeyed(place(self.client, checked, address, reason_code="customer", reason=""))
        sandbox.control.fault("reserve", "status", status=503)
        assert place(self.client, check(self.client)).status_code in (400, 409, 503)
        sandbox.control.clear_faults()


def plain(kept: Any) -> Any:
    """A document without what is another each time."""
    match kept:
        case dict():
            return {name: plain(value) for name, value in kept.items() if name not in OF_ITS_OWN}
        case list():
            return [plain(value) for value in kept]
        case str():
            return re.sub(r"[0-9a-f]{24,}|\d{4}-\d\d-\d\d \d\d:\d\d|(\w{4}-){2}\w{4}", "…", kept)
        case ObjectId() | datetime():
            return type(kept).__name__
        case _:
            return kept


def day(database: Database[Document], sandbox: Sandbox, language: str) -> dict[str, Any]:
    """Play a day. :returns: what the database keeps of it."""
    for name in ("orders", "bulk_runs", "bulk_batches"):
        database[name].delete_many({})
    in_stock(sandbox, 100)
    desk = Desk(database, language)
    desk.organises()
    desk.ships_and_takes_back()
    desk.attends_to_all()
    desk.changes_many()
    desk.manages(language)
    desk.places_and_replaces(sandbox)
    names = sorted(set(database.list_collection_names()) - {SESSIONS})
    return {name: [*database[name].find({}).sort("_id")] for name in names}


@pytest.mark.slow
@pytest.mark.usefixtures("marked_german")
def test_what_staff_do_in_german_is_kept_as_what_they_do_in_english(
    database: Database[Document], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    in_english = day(database, sandbox, "en")
    caplog.clear()
    in_german = day(database, sandbox, "de")
    assert [text for name, kept in in_german.items() for text in translated(kept, name)] == []
    for name in ("orders", "bulk_runs", "bulk_batches"):
        assert plain(in_german[name]) == plain(in_english[name]), name
    assert len(in_german["orders"]) > 10
    assert len(in_german["bulk_runs"]) == 4
    reasons = [other["reason"] for batch in in_german["bulk_batches"] for other in batch.get("others", ())]
    assert "Cannot ship an order that is paid. It can become: processing, cancelled, refunded." in reasons
    said = [JsonFormatter().format(record) for record in caplog.records]
    assert said
    assert [line for line in said if BEGIN in line] == []


@pytest.mark.usefixtures("marked_german")
def test_who_is_refused_in_german_reads_so_and_the_log_says_it_in_english(
    database: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    order = find(database, insert(database, stored(status="cancelled")))
    support = Client(headers={"accept-language": "de"})
    support.force_login(staff("Support"))
    refused = support.post(form_of(order, "hold"), {"version": order["version"], **WHY})
    assert refused.status_code == 409
    assert "⟦An order that is ⟦cancelled⟧ cannot be held back.⟧" in text_of(refused)
    forbidden = support.post(form_of(order, "return"), {"version": order["version"], "quantity_0": "1", **WHY})
    assert forbidden.status_code == 403
    assert "⟦You may not take back what was shipped.⟧" in text_of(forbidden)
    assert find(database, order) == order
    said = [JsonFormatter().format(record) for record in caplog.records]
    assert said
    assert [line for line in said if BEGIN in line] == []


@pytest.mark.usefixtures("marked_german")
def test_the_api_speaks_english_whatever_is_asked_for_and_what_the_thread_said_before(
    database: Database[Document], settings: Settings
) -> None:
    order = insert(database, stored(status="shipped"))
    german = {"accept-language": "de"}
    desk = Client(headers=german)
    desk.force_login(staff("Support"))
    api = Client(headers=german | {"authorization": f"Bearer {token('1')}"})
    orders = f"/{settings.API_PREFIX.strip('/')}/orders/"
    for _ in range(2):
        refused = api.delete(f"{orders}{order['_id']}")
        assert refused.status_code == 409
        assert refused.json()["detail"] == "Cannot cancel an order that is shipped. It can become: delivered, refunded."
        for answer in (refused, api.get(f"{orders}{ObjectId()}"), api.get(f"{orders}nonsense"), api.post(orders, {})):
            assert 400 <= answer.status_code < 500
            assert translated(answer.json()) == []
            assert "Content-Language" not in answer.headers
        assert BEGIN in desk.get(page(order)).content.decode()
        assert get_language() == "en"
