"""Staff, orders and a database profile for the tests of the backoffice."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import requests
from bson import Decimal128, ObjectId
from django.contrib.auth.models import Group, User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from integrations.sandbox.catalogue import PRODUCTS
from orders.models import Address, Item
from orders.services import access
from orders.services.audit import Act
from orders.services.lifecycle import placement, transitions
from orders.services.search_terms import terms_of

Document = dict[str, Any]
LIST = "/admin/orders/order/"
WHY = "As agreed on the phone"
PASSWORD = "correct horse battery staple"

ROLES = {
    "Support": {"cancel"},
    "Fulfilment": {"start_processing", "ship", "deliver"},
    "Finance": {"pay", "refund"},
    "Manager": {"pay", "start_processing", "ship", "deliver", "cancel", "refund"},
    "superuser": {"pay", "start_processing", "ship", "deliver", "cancel", "refund"},
    "nobody": set(),
}
"""Who may make which transition; `nobody` is staff without groups."""

DESK = {"write_notes", "hold_order", "snooze_order", "assign_order", "tag_order"}
WORK = {
    "Support": DESK | {"change_address", "place_for_customer"},
    "Fulfilment": DESK | {"resolve_stock", "return_order"},
    "Finance": DESK | {"export_orders"},
    "Manager": DESK
    | {"resolve_stock", "return_order", "change_address", "export_orders", "erase_customer", "manage_webhooks"}
    | {"manage_service_tokens", "place_orders", "place_for_customer", "read_events", "share_views"},
}
"""What else each role may do; and all of them may look at bulk runs."""

EDGES = {
    "placing": {},
    "pending": {"pay": "paid", "cancel": "cancelled"},
    "paid": {"start_processing": "processing", "cancel": "cancelled", "refund": "refunded"},
    "processing": {"ship": "shipped", "cancel": "cancelled", "refund": "refunded"},
    "shipped": {"deliver": "delivered", "refund": "refunded"},
    "delivered": {"refund": "refunded"},
    "cancelled": {},
    "refunded": {},
    "rejected": {},
}
"""The specification's table, written down a second time: status → transition → status after it."""

ADDRESS = {
    "line1": "1 Long Street",
    "line2": "",
    "city": "Springfield",
    "state": "",
    "postal_code": "12345",
    "country": "Freedonia",
}

PATHS = {
    "pending": (),
    "paid": ("pay",),
    "processing": ("pay", "start_processing"),
    "shipped": ("pay", "start_processing", "ship"),
    "delivered": ("pay", "start_processing", "ship", "deliver"),
    "cancelled": ("cancel",),
    "refunded": ("pay", "refund"),
}


def staff(role: str) -> User:
    """A backoffice login by the name of its role."""
    if role == "superuser":
        return User.objects.create_superuser(role, password=PASSWORD)
    user = User.objects.create_user(role, password=PASSWORD, is_staff=True)
    if role != "nobody":
        user.groups.add(Group.objects.get(name=role))
    return user


def client_of(role: str, **options: Any) -> Client:
    """A client that is logged in as :func:`staff` of this role."""
    client = Client(**options)
    client.force_login(staff(role))
    return client


def page(order: Document | ObjectId | str) -> str:
    """The address of an order's page."""
    return f"{LIST}{order['_id'] if isinstance(order, dict) else order}/change/"


def transition_of(order: Document | ObjectId | str) -> str:
    """The address that an order's buttons post to."""
    return f"{LIST}{order['_id'] if isinstance(order, dict) else order}/transition/"


def form_of(order: Document | ObjectId | str, name: str) -> str:
    """The address of one of an order's forms or printed documents."""
    return f"{LIST}{order['_id'] if isinstance(order, dict) else order}/{name}/"


def press(client: Client, order: Document, transition: str | None, **changes: str | None) -> HttpResponse:
    """Post a transition as its button does, with the order's version and a reason; None leaves a field out."""
    form = {"transition": transition, "version": order["version"], "reason": WHY} | changes
    return client.post(transition_of(order), {name: value for name, value in form.items() if value is not None})


def said(response: HttpResponse) -> list[str]:
    """The messages that a response leaves for the next page."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def rows(response: HttpResponse) -> list[str]:
    """The order numbers that a list shows, in its order."""
    assert response.status_code == 200
    return [order.number for order in response.context["cl"].result_list]


def text_of(response: HttpResponse) -> str:
    """The words of a page, without its tags."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def main_of(response: HttpResponse) -> str:
    """The HTML of an order's page without what surrounds it on every page."""
    content = response.content.decode()
    end = max(content.rindex("</section>"), content.find('<dialog id="keys"'))
    return content[content.index('id="content-main"') : end]


def make_lists_slow(database: Database[Document], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have 300 orders, each of which takes a while to look at, and less time than that takes for a page."""
    insert(database, *(stored(number) for number in range(300)))
    settings.BACKOFFICE_QUERY_MS = 300
    slow = {"$expr": {"$function": {"body": "function() { sleep(50); return true }", "args": [], "lang": "js"}}}
    monkeypatch.setattr("orders.storage.order_query.OrderQuery.conditions", slow)


def stored(number: int = 0, **changes: Any) -> Document:
    """An order as the database holds it, to be inserted by pymongo; `number` tells many apart, newest first."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=number)
    letters = f"{number:012d}"
    status = changes.get("status", "pending")
    return {
        "_id": ObjectId(),
        "number": f"{letters[:4]}-{letters[4:8]}-{letters[8:]}",
        "user_id": "1",
        "status": status,
        "version": 1,
        "user_verified": True,
        "items": [line()],
        "total_price": Decimal128("29.80"),
        "shipping_address": dict(ADDRESS),
        "history": [entry("draft", target="placing", at=at), entry("place", source="placing", target=status, at=at)],
        "created_at": at,
        "updated_at": at,
        "placed_at": at,
        "status_since": at,
    } | changes  # fmt: skip


def line(state: str = "reserved", **stock: Any) -> Document:
    product = PRODUCTS[0]
    return {
        "product_id": product.product_id,
        "quantity": 2,
        "price": Decimal128(product.price),
        "stock": {"state": state, "attempts": 1, "error": ""} | stock,
    }


def entry(act: str, *, at: datetime | None = None, source: str = "", target: str = "", **more: Any) -> Document:
    return {
        "at": at or datetime.now(UTC), "act": act, "from": source, "to": target, "actor": "customer:1", "via": "api",
        "reason": "", "request_id": "", "write_id": "0" * 32,
    } | more  # fmt: skip


def insert(database: Database[Document], *documents: Document) -> Document:
    """Insert orders as they are, but for their search terms. :returns: the first."""
    database["orders"].insert_many([document | {"terms": terms_of(document)} for document in documents], ordered=False)
    return documents[0]


def insert_each_status(database: Database[Document]) -> dict[str, Document]:
    """One order of every status, as it is stored."""
    orders = {status: stored(index, status=status) for index, status in enumerate(EDGES)}
    insert(database, *orders.values())
    return orders


def find(database: Database[Document], order: Document) -> Document:
    """The order as it is now."""
    found = database["orders"].find_one({"_id": order["_id"]})
    assert found is not None
    return found


def placed(*path: str, user_id: str = "1", quantity: int = 2) -> Document:
    """An order that the services placed and took on its way, so that the sandbox holds its stock."""
    product = PRODUCTS[0]
    order = placement.place_order(
        user_id=user_id,
        items=[Item(product_id=product.product_id, quantity=quantity, price=Decimal(product.price))],
        shipping_address=Address(line1="1 Long Street", city="Springfield", postal_code="12345", country="Freedonia"),
        act=Act(access.customer(user_id), timezone.now()),
    ).order
    for transition in path:
        act = Act(access.admin("tests"), timezone.now())
        order = transitions.change_status(order_id=order["_id"], transition=transition, act=act)
    return order


@contextmanager
def profiled(database: Database[Document]) -> Iterator[list[Document]]:
    """Fill a list with what mongod really did: each operation with its plan and how much it examined."""
    done: list[Document] = []
    database["system.profile"].drop()
    database.command("profile", 2)
    try:
        yield done
    finally:
        database.command("profile", 0)
        done += database["system.profile"].find(
            {"planSummary": {"$exists": True}, "ns": {"$not": re.compile("system")}}
        )
        database["system.profile"].drop()


class Browser(requests.Session):
    """A browser that has no more than cookies and the forms that it was shown."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self.trust_env = False
        self.root = root

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        return super().request(method, self.root + str(url), *args, timeout=30, **kwargs)

    def csrf_token(self, response: requests.Response) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', response.text)
        assert found
        return found[1]

    def log_in(self, name: str, then: str = "/admin/", *, password: str = PASSWORD) -> requests.Response:
        target = f"/admin/login/?next={quote(then)}"
        form = {"username": name, "password": password, "csrfmiddlewaretoken": self.csrf_token(self.get(target))}
        return self.post(target, data=form | {"next": then}, allow_redirects=False)
