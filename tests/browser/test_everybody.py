"""Everybody can use the backoffice: axe-core finds nothing serious, light or dark, on wide and narrow screens."""

import pytest
from bson import ObjectId
from django.utils import timezone
from playwright.sync_api import Page, expect
from pymongo.database import Database

from orders.models import WebhookEndpoint
from orders.services import access, service_tokens
from orders.services.events import telling
from orders.storage.order_writes import orders
from tests.browser.conftest import SignIn, inaccessible
from tests.browser.screenshots import NARROW, WIDE
from tests.browser.test_orders import busy_shop
from tests.dose import chosen
from tests.functional.admin_helpers import LIST, Document, page

WEBHOOKS = "/admin/orders/webhookendpoint/"
TOKENS = "/admin/orders/servicetoken/"
pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
SCREENS = {
    "light and wide": ("light", WIDE),
    "dark and wide": ("dark", WIDE),
    "light and narrow": ("light", NARROW),
    "dark and narrow": ("dark", NARROW),
}
SLICE = chosen(SCREENS, "light and wide", "dark and narrow")


def pages(database: Database[Document]) -> dict[str, str]:
    """The main pages, by name."""
    unknown = busy_shop(database)
    endpoint = stopped_webhook()
    parted = database["orders"].find_one({"held_at": {"$ne": None}})
    assert parted
    return {
        "dashboard": "/admin/",
        "list": LIST,
        "filters": f"{LIST}?status=paid&since=nonsense",
        "nothing found": f"{LIST}?q=1234-1234-1234",
        "order": page(unknown),
        "order in parts": page(parted),
        "packing slip of a parcel": page(parted).replace("/change/", "/packing-slip/?parcel=1"),
        "attention": f"{LIST}attention/",
        "runs": "/admin/orders/bulkrun/",
        "events": f"{LIST}events/",
        "event": f"{LIST}events/1/",
        "webhooks": WEBHOOKS,
        "webhook": f"{WEBHOOKS}{endpoint.pk}/change/",
        "new webhook": f"{WEBHOOKS}add/",
        "deleting a webhook": f"{WEBHOOKS}{endpoint.pk}/delete/",
        "service tokens": TOKENS,
        "service token": f"{TOKENS}{service_token()}/change/",
        "new service token": f"{TOKENS}add/",
        "revoking a service token": f"{TOKENS}{service_token('x' * 64)}/revoke/",
        "packing slip": page(unknown).replace("/change/", "/packing-slip/"),
        "confirmations": f"{LIST}confirmations/?ids={unknown['_id']}",
        "pick list": f"{LIST}pick-list/?ids={unknown['_id']}",
    }


def stopped_webhook() -> WebhookEndpoint:
    """A webhook that was switched off, with an address that is wider than a telephone; and an event."""
    orders().update_many({}, {"$set": {"untold_at": timezone.now(), "told": 0}})
    telling.tell()
    address = f"https://shop.example/{'x' * 80}"
    return WebhookEndpoint.objects.create(
        url=address,
        active=False,
        stopped_because="It answered 410 Gone.",
        created_at=timezone.now(),
        created_by="tests",
    )


def service_token(name: str = "payments") -> ObjectId:
    """The id of a service's token that may do all there is."""
    actor, at = access.system("tests", via="command"), timezone.now()
    return service_tokens.create(name=name, scopes=access.scopes(), days=30, actor=actor, at=at).token.pk


@pytest.mark.parametrize(("theme", "viewport"), SLICE.values(), ids=SLICE)
def test_nothing_keeps_anybody_from_using_a_page(
    sign_in: SignIn, database: Database[Document], theme: str, viewport: dict[str, int]
) -> None:
    addresses = pages(database)
    desk = sign_in("Manager", viewport=viewport, color_scheme=theme)
    found = {name: _look(desk, address) for name, address in addresses.items()}
    assert found == dict.fromkeys(addresses, ([], False)), theme


def _look(desk: Page, address: str) -> tuple[list[str], bool]:
    """What is wrong with a page, and whether it must be scrolled sideways."""
    answer = desk.goto(address)
    assert answer is not None
    assert answer.ok, address
    expect(desk.locator("html[x-cloak]")).to_have_count(0)  # Alpine has run
    return inaccessible(desk), desk.evaluate("document.documentElement.scrollWidth > innerWidth")
