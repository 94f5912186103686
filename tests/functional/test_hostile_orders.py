"""What storefronts, customers and peers write into an order is shown as the text that it is, on every page of staff."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128
from django.test import Client
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.services.reporting.figures_refresh import refresh
from tests.functional.admin_helpers import LIST, Document, client_of, form_of, insert, line, page, stored
from tests.functional.bulk_admin import across, confirm, only_run, page_of

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)


def marked(field: str) -> str:
    """Markup that breaks out of a text, an attribute, a script or a comment, and names its field."""
    return f"""'"--></b></script><script>{field}()</script><img src=x onerror={field}()>{{{{{field}|safe}}}}"""


ADDRESS = ("name", "company", "line1", "line2", "city", "state", "postal_code", "country", "phone")
SHOWN = [
    "product", "sku", "contact_name", "contact_email", "contact_phone", "reference", "note", "metadata_name",
    "metadata_value", *(f"billing_{name}" for name in ADDRESS), *(f"shipping_{name}" for name in ADDRESS),
]  # fmt: skip
"""The fields that an order's page shows."""


def hostile(number: int, **changes: Any) -> Document:
    item = line() | {"name": marked("product"), "sku": marked("sku"), "image_url": f"javascript:{marked('image')}"}
    return stored(
        number,
        user_id=marked("user")[:128],
        currency="<b>",
        contact={name: marked(f"contact_{name}") for name in ("name", "email", "phone")},
        shipping_address={name: marked(f"shipping_{name}") for name in ADDRESS},
        billing_address={name: marked(f"billing_{name}") for name in ADDRESS},
        reference=marked("reference"),
        note=marked("note"),
        metadata={marked("metadata_name"): marked("metadata_value"), "items": "of a dict", "__class__": "of all"},
        total_price=Decimal128("29.80"),
        **{"items": [item]} | changes,
    )


@pytest.fixture
def orders(database: Database[Document], sandbox: Sandbox) -> list[Document]:
    """A hostile order in every section of the attention page, and one that was sold today."""
    item = hostile(0)["items"][0]
    waits = {"status": "cancelled", "created_at": LONG_AGO, "status_since": LONG_AGO}

    def of(state: str, **stock: Any) -> list[Document]:
        return [item | {"stock": line(state, **stock)["stock"]}]

    made = [
        hostile(1, status="paid", created_at=datetime.now(UTC).replace(microsecond=0)),
        hostile(2, status="cancelled", items=of("unknown", call="release")),
        hostile(3, items=of("releasing", call="release"), stock_due_at=datetime.now(UTC), **waits),
        hostile(4, items=of("released", discrepancy=2), **waits),
        hostile(5, user_verified=False),
        hostile(6, status="processing", created_at=LONG_AGO, status_since=LONG_AGO),
    ]
    insert(database, *made)
    while refresh(seconds=60).more:
        pass
    return made


def safe(body: str, *fields: str) -> None:
    """:param fields: those that the page must show, as the text that they are."""
    assert not re.search(r"<script>\w+\(\)|<img[^>]* onerror=|<b>[0-9]|href=\"?javascript:|<img src=x", body)
    shown = html.unescape(re.sub(r"<[^>]*>", "", body))
    for field in fields:
        assert marked(field) in shown, field


def test_the_pages_show_markup_of_an_order_as_text(orders: list[Document]) -> None:
    root = client_of("superuser")
    for order in orders:
        safe(root.get(page(order)).content.decode(), *SHOWN)
        for name in ("packing-slip", "confirmation"):
            safe(root.get(form_of(order, name)).content.decode())
    body = root.get(page(orders[0])).content.decode()
    assert "of a dict" in body
    assert "of all" in body
    assert "javascript:" not in body


def test_the_lists_show_markup_of_an_order_as_text(orders: list[Document]) -> None:
    root = client_of("superuser")
    product, user_id = orders[0]["items"][0]["product_id"], orders[0]["user_id"]
    for query in ({}, {"product": product}, {"flag": "unverified", "least": "1"}):
        safe(root.get(LIST, query).content.decode(), "product", "contact_name", "contact_email")
    safe(root.get(LIST, {"user": user_id}).content.decode())
    safe(root.get(f"{LIST}attention/").content.decode(), "product", "contact_name")
    safe(root.get("/admin/").content.decode(), "product")


def test_a_run_over_many_shows_markup_of_its_orders_as_text(orders: list[Document]) -> None:
    root: Client = client_of("superuser")
    product = orders[0]["items"][0]["product_id"]
    asked = across(root, "cancel", f"?product={product}")
    safe(asked.content.decode(), "product")
    assert confirm(root, asked, marked("reason")).status_code == 302
    safe(root.get(page_of(only_run())).content.decode(), "product", "reason")
