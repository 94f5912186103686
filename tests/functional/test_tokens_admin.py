"""Service tokens in the backoffice and by command: made, shown once, listed and revoked."""

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from orders.models import Document, ServiceToken
from orders.services import access, service_tokens
from orders.services.service_tokens import TokenRefused
from tests.functional.admin_helpers import client_of, said, text_of

TOKENS = "/admin/orders/servicetoken/"
OPERATOR = access.system("jane", via="command")
TOKEN = re.compile(r"ost_[0-9a-f]{24}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def made(*scopes: str, name: str = "payments", **given: Any) -> service_tokens.NewToken:
    return service_tokens.create(name=name, scopes=scopes or ["pay_order"], actor=OPERATOR, at=timezone.now(), **given)


def token_in(response: HttpResponse) -> str:
    found = TOKEN.search(response.content.decode())
    assert found
    return found[0]


def commanded(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


# --- the backoffice ---


def test_a_token_is_made_and_shown_once(manager: Client) -> None:
    form = {"name": " payments ", "scopes": ["pay_order", "refund_order"], "days": "30"}
    response = manager.post(f"{TOKENS}add/", form)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    token = ServiceToken.objects.get()
    assert (token.name, token.scopes, token.created_by) == ("payments", ["pay_order", "refund_order"], "staff:Manager")
    assert token.expires_at is not None
    assert token.expires_at - token.created_at == timedelta(days=30)
    caller = service_tokens.caller_with(token_in(response), at=timezone.now())
    assert caller.permissions == {"orders.pay_order", "orders.refund_order"}
    for address in (TOKENS, f"{TOKENS}add/", f"{TOKENS}{token.pk}/change/", f"{TOKENS}{token.pk}/revoke/"):
        assert not TOKEN.search(manager.get(address).content.decode()), address
    assert "Mark orders as paid pay_order" in text_of(manager.get(f"{TOKENS}{token.pk}/change/"))


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"name": "two words"}, "A name has 1 to 64 letters"),
        ({"scopes": []}, "Choose at least one scope."),
        ({"scopes": ["erase_customer"]}, "There is no scope"),
        ({"days": "0"}, "It may be valid for 1 to 3650 days."),
        ({"days": "soon"}, "It may be valid for 1 to 3650 days."),
        ({"days": "9" * 400}, "It may be valid for 1 to 3650 days."),
    ],
)
def test_what_is_no_token_is_told_beside_its_field_and_what_was_typed_stays(
    manager: Client, form: dict[str, Any], problem: str
) -> None:
    response = manager.post(f"{TOKENS}add/", {"name": "payments", "scopes": ["pay_order"], "days": "30"} | form)
    assert response.status_code == 400
    page = response.content.decode()
    assert problem in text_of(response)
    assert form.get("name", "payments") in page
    if "scopes" not in form:
        assert re.search(r'value="pay_order"\s+checked', page)
    assert not ServiceToken.objects.exists()


def test_staff_are_offered_and_may_give_only_what_they_may_do(database: Database[Document]) -> None:
    client = client_of("Finance")
    user = User.objects.get(username="Finance")
    user.user_permissions.add(Permission.objects.get(codename="manage_service_tokens"))
    offered = re.findall(r'name="scopes" value="(\w+)"', client.get(f"{TOKENS}add/").content.decode())
    assert offered == ["read_orders", "pay_order", "refund_order", "hold_order"]
    for scope in ("ship_order", "place_orders", "read_events", "manage_webhooks"):
        assert client.post(f"{TOKENS}add/", {"name": "a", "scopes": ["pay_order", scope]}).status_code == 403
    assert not ServiceToken.objects.exists()
    assert client.post(f"{TOKENS}add/", {"name": "a", "scopes": ["pay_order"]}).status_code == 200


def test_the_list_tells_what_each_may_do_and_how_it_is_used(manager: Client) -> None:
    assert "No service tokens yet" in text_of(manager.get(TOKENS))
    first, late, gone = made("pay_order", "read_orders"), made(name="erp", days=1), made(name="old")
    service_tokens.caller_with(first.secret, at=timezone.now())
    ServiceToken.objects.filter(pk=late.token.pk).update(expires_at=datetime(2026, 1, 2, tzinfo=UTC))
    service_tokens.revoke(gone.token.pk, actor=OPERATOR, at=timezone.now())
    rows = re.findall(r"(?s)<tr>(.*?)</tr>", manager.get(TOKENS).content.decode())
    words = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows[1:]]
    assert words == [
        "old pay_order Revoked Never just now by process jane",
        "erp pay_order Expired Never just now by process jane",
        "payments read_orders, pay_order Active just now just now by process jane",
    ]


def test_a_token_is_revoked_after_a_question(manager: Client) -> None:
    new = made()
    address = f"{TOKENS}{new.token.pk}/revoke/"
    assert "Revoke this token?" in text_of(manager.get(address))
    service_tokens.caller_with(new.secret, at=timezone.now())
    response = manager.post(address)
    assert (response.status_code, response["Location"]) == (302, TOKENS)
    assert said(response) == ["Token of payments revoked."]
    with pytest.raises(TokenRefused):
        service_tokens.caller_with(new.secret, at=timezone.now())
    page = manager.get(f"{TOKENS}{new.token.pk}/change/")
    assert "by Manager" in text_of(page)
    assert "/revoke/" not in page.content.decode()
    for unknown in (str(ObjectId()), "nonsense"):
        assert manager.post(f"{TOKENS}{unknown}/revoke/").status_code == 404


def test_no_form_is_taken_from_another_site(database: Database[Document]) -> None:
    new, client = made(), client_of("Manager", enforce_csrf_checks=True)
    assert client.post(f"{TOKENS}{new.token.pk}/revoke/").status_code == 403
    assert client.post(f"{TOKENS}add/", {"name": "a", "scopes": ["pay_order"]}).status_code == 403
    assert [token.revoked_at for token in ServiceToken.objects.all()] == [None]


def test_the_sidebar_leads_there_whoever_may_manage_them(database: Database[Document]) -> None:
    for role, leads in (("Manager", True), ("superuser", True), ("Support", False)):
        page = client_of(role).get("/admin/orders/order/").content.decode()
        assert (f'href="{TOKENS}"' in page) == leads, role


# --- commands ---


def test_a_command_makes_a_token_and_writes_it_alone_to_standard_output(database: Database[Document]) -> None:
    out, err = commanded(
        "create_service_token", "payments", "--scope", "pay_order", "orders.ship_order", "--scope", "read_orders",
        "--expires", "30",
    )  # fmt: skip
    assert TOKEN.fullmatch(out.rstrip("\n"))
    assert "read_orders, pay_order, ship_order" in err
    assert out.strip() not in err
    token = ServiceToken.objects.get()
    assert token.created_by.startswith("system:")
    assert service_tokens.caller_with(out.strip(), at=timezone.now()).id == "payments"


def test_a_command_refuses_a_scope_that_there_is_not_and_lists_those_that_there_are(
    database: Database[Document],
) -> None:
    with pytest.raises(CommandError) as refused:
        commanded("create_service_token", "payments", "--scope", "pay_order", "everything")
    assert refused.value.returncode == 2
    assert all(scope in str(refused.value) for scope in access.scopes())
    assert not ServiceToken.objects.exists()


def test_a_command_lists_the_tokens_and_revokes_one(database: Database[Document]) -> None:
    first, ending, ended = made("pay_order", "read_orders"), made(name="erp", days=9), made(name="old", days=1)
    day = datetime(2026, 1, 2, tzinfo=UTC)
    ServiceToken.objects.filter(pk=ended.token.pk).update(expires_at=day, created_at=day, last_used_at=day)
    ServiceToken.objects.exclude(pk=ended.token.pk).update(created_at=day)
    ending.token.refresh_from_db()
    out, _ = commanded("service_tokens", "--revoke", str(first.token.pk))
    assert out == f"The token {first.token.pk} of payments is revoked.\n"
    with pytest.raises(TokenRefused):
        service_tokens.caller_with(first.secret, at=timezone.now())
    first.token.refresh_from_db()
    by, today = first.token.revoked_by, f"{first.token.revoked_at:%Y-%m-%d}"
    assert commanded("service_tokens")[0].splitlines() == [
        f"{ended.token.pk}  old  expired 2026-01-02  pay_order  made 2026-01-02 by system:jane"
        "  last used 2026-01-02 00:00 UTC",
        f"{ending.token.pk}  erp  expires {ending.token.expires_at:%Y-%m-%d}  pay_order"
        "  made 2026-01-02 by system:jane  never used",
        f"{first.token.pk}  payments  revoked {today} by {by}  read_orders pay_order"
        "  made 2026-01-02 by system:jane  never used",
    ]
    made(name="new")
    assert "  active  pay_order  made " in commanded("service_tokens")[0].splitlines()[0]
    with pytest.raises(CommandError, match="There is no service token"):
        commanded("service_tokens", "--revoke", str(ObjectId()))
