"""Who gets into the backoffice, and what each role may do there."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pymongo.database import Database

from integrations.sandbox import Sandbox
from tests.dose import dose
from tests.functional.admin_helpers import (
    EDGES,
    LIST,
    PASSWORD,
    ROLES,
    WORK,
    Browser,
    Document,
    client_of,
    find,
    form_of,
    insert,
    insert_each_status,
    line,
    main_of,
    page,
    placed,
    press,
    staff,
    stored,
    transition_of,
)

PART_FORMS = {
    "ship": "ship_order",
    "tracking": "ship_order",
    "cancellation": "cancel_order",
    "refund": "refund_order",
    "return": "return_order",
    "receive": "return_order",
    "hold": "hold_order",
    "lift": "hold_order",
    "assign": "assign_order",
    "tag": "tag_order",
}
"""The forms about parts of an order, and about who takes care of it, by the last part of their address, with the
permission that each asks for."""
OURS = [
    *(
        f"{{id}}/{name}/"
        for name in (
            *("transition", "address", "note", "resolve", "version", "packing-slip", "confirmation"),
            *PART_FORMS,
        )
    ),
    *("packing-slips/", "confirmations/", "pick-list/"),
]
VIEWERS = [role for role in ROLES if role != "nobody"]


def buttons(response: Any) -> list[str]:
    return re.findall(r'<button type="submit" name="transition" value="(\w+)"', response.content.decode())


@pytest.mark.parametrize("role", VIEWERS)
def test_each_page_shows_exactly_the_buttons_that_its_reader_may_press(database: Database[Document], role: str) -> None:
    client = client_of(role)
    for status, order in insert_each_status(database).items():
        response = client.get(page(order))
        assert response.status_code == 200
        shown = buttons(response)
        assert set(shown) == ROLES[role] & EDGES[status].keys(), status
        assert len(shown) == len(set(shown))


@pytest.mark.parametrize("role", ROLES)
def test_a_forged_transition_without_its_permission_is_refused_and_changes_nothing(
    database: Database[Document], sandbox: Sandbox, role: str
) -> None:
    client = client_of(role)
    names = {name for edges in EDGES.values() for name in edges}
    assert len(names) == 6
    for status, order in dose(insert_each_status(database).items(), 3, role):
        before = find(database, order)
        for transition in sorted(names - ROLES[role]):
            for version in (str(order["version"]), None):
                response = press(client, order, transition, version=version)
                assert response.status_code == 403, (status, transition, version)
        assert find(database, order) == before
    assert sandbox.control.calls() == []


@pytest.mark.parametrize("role", ROLES)
def test_a_forged_address_or_note_without_its_permission_is_refused_and_changes_nothing(
    database: Database[Document], role: str
) -> None:
    client = client_of(role)
    may = every_work() if role == "superuser" else WORK.get(role, set())
    forms = {
        "change_address": ("address", {"line1": "2 Short Street", "city": "S", "postal_code": "1", "country": "F"}),
        "write_notes": ("note", {"text": "Hello"}),
        "erase_customer": ("erase", {"erase": "customer"}),
    }
    for status, order in dose(insert_each_status(database).items(), 3, role):
        before = find(database, order)
        for permission, (name, fields) in forms.items():
            if permission in may:
                continue
            for version in ({"version": "1"}, {"version": "0"}, {}):
                assert client.post(form_of(order, name), fields | version).status_code == 403, (status, name)
            assert f'/{name}/"' not in client.get(page(order)).content.decode()
        assert find(database, order) == before


@pytest.mark.parametrize("role", ROLES)
def test_a_forged_form_about_parts_without_its_permission_is_refused_and_changes_nothing(
    database: Database[Document], sandbox: Sandbox, role: str
) -> None:
    client, order = client_of(role), insert(database, parted())
    allowed = {f"{name}_order" for name in ROLES[role]} | (
        every_work() if role == "superuser" else WORK.get(role, set())
    )
    before = find(database, order)
    fields = {"version": "1", "quantity_0": "1", "amount": "1", "reason": "No", "number": "0", "restock": "yes"}
    for name, permission in PART_FORMS.items():
        if permission not in allowed:
            for form in (fields, {}, {"version": "0"}):
                assert client.post(form_of(order, name), form).status_code == 403, name
            if role != "nobody":
                assert f'/{name}/"' not in client.get(page(order)).content.decode(), name
        assert client.get(form_of(order, name)).status_code in ((403, 405) if role == "nobody" else (405,))
    assert find(database, order) == before
    assert sandbox.control.calls() == []


def test_goods_are_received_with_a_refund_only_by_who_may_refund(database: Database[Document]) -> None:
    order = insert(database, parted())
    before, client = find(database, order), client_of("Fulfilment")
    assert "Also record a refund" not in client.get(page(order)).content.decode()
    form = {"version": "1", "number": "0", "restock": "no", "refund": "yes"}
    assert client.post(form_of(order, "receive"), form).status_code == 403
    assert find(database, order) == before


def parted() -> Document:
    """An order with a parcel, of which a part comes back, and that is on hold."""
    at = datetime.now(UTC)
    return stored(
        status="processing",
        items=[line(), line("used") | {"shipment": 0}, line("used") | {"shipment": 0, "returned_in": 0}],
        shipments=[{"at": at, "carrier": "", "tracking_number": "", "tracking_url": ""}],
        returns=[{"at": at, "code": "customer"}],
        held_at=at,
        hold={"code": "fraud", "reason": "", "actor": "staff:Finance"},
    )


def every_work() -> set[str]:
    return set().union(*WORK.values())


def test_whoever_may_only_look_sees_no_button_and_no_form(database: Database[Document]) -> None:
    user = staff("nobody")
    user.user_permissions.set(Permission.objects.filter(codename="view_order"))
    client = Client()
    client.force_login(user)
    orders = [*insert_each_status(database).values()]
    orders.append(insert(database, stored(20, status="cancelled", items=[line("unknown", call="release")])))
    for order in orders:
        main = main_of(client.get(page(order)))
        assert order["number"] in main
        for forbidden in ("<form", "<input", "<select", "<textarea", 'type="submit"'):
            assert forbidden not in main
        for name in ("packing-slip", "confirmation"):
            assert client.get(form_of(order, name)).status_code == 200


@pytest.mark.parametrize("role", VIEWERS)
def test_each_role_makes_its_transitions_from_every_status_that_allows_them(
    database: Database[Document], sandbox: Sandbox, role: str
) -> None:
    client = client_of(role)
    for status, edges in EDGES.items():
        for transition in edges.keys() & ROLES[role]:
            order = insert(database, stored(status=status))
            response = press(client, order, transition)
            assert (response.status_code, response.url) == (302, page(order))
            after = find(database, order)
            assert after["status"] == edges[transition]
            assert after["version"] == order["version"] + 1


def test_a_permission_given_to_one_person_counts_like_that_of_a_group(database: Database[Document]) -> None:
    user = staff("nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_order", "pay_order"]))
    client = Client()
    client.force_login(user)
    order = insert(database, stored())
    assert buttons(client.get(page(order))) == ["pay"]
    assert press(client, order, "pay").status_code == 302
    assert find(database, order)["status"] == "paid"


def test_a_transition_permission_is_worth_nothing_to_who_may_not_see_orders(database: Database[Document]) -> None:
    user = staff("nobody")
    user.user_permissions.set(Permission.objects.filter(codename="pay_order"))
    client = Client()
    client.force_login(user)
    order = insert(database, stored())
    assert client.get(page(order)).status_code == 403
    assert press(client, order, "pay").status_code == 403
    assert find(database, order)["status"] == "pending"


def test_a_role_taken_away_takes_effect_at_once(database: Database[Document]) -> None:
    user = staff("Finance")
    client = Client()
    client.force_login(user)
    order = insert(database, stored())
    assert buttons(client.get(page(order))) == ["pay"]
    user.groups.clear()
    assert press(client, order, "pay").status_code == 403
    assert find(database, order)["status"] == "pending"


def test_staff_without_a_group_sees_no_orders(database: Database[Document]) -> None:
    client = client_of("nobody")
    order = insert(database, stored())
    assert client.get("/admin/").status_code == 200
    assert "orders/order" not in client.get("/admin/").content.decode()
    assert client.get(LIST).status_code == 403
    assert client.get(page(order)).status_code == 403
    assert client.get(f"{LIST}{order['_id']}/history/").status_code == 403


@pytest.mark.parametrize(("role", "may_place"), [("Support", True), ("superuser", True), ("Finance", False)])
def test_the_start_page_leads_to_the_orders_and_who_may_to_a_new_one(
    database: Database[Document], role: str, may_place: bool
) -> None:
    start = client_of(role).get("/admin/").content.decode()
    assert f'href="{LIST}"' in start
    assert (f'href="{LIST}add/"' in start) is may_place


@pytest.mark.parametrize("who", ["stranger", "customer", "inactive"])
def test_whoever_is_not_staff_is_sent_to_the_login(database: Database[Document], who: str) -> None:
    client = Client()
    if who == "customer":
        client.force_login(User.objects.create_user("customer", password=PASSWORD))
    if who == "inactive":
        user = staff("Manager")
        client.force_login(user)
        User.objects.filter(pk=user.pk).update(is_active=False)
    order = insert(database, stored())
    before = find(database, order)
    for address in ("", "add/", "{id}/change/", "{id}/delete/", "{id}/history/", *OURS):
        target = LIST + address.format(id=order["_id"])
        response = client.get(target)
        assert (response.status_code, response.url) == (302, f"/admin/login/?next={quote(target)}")
        response = client.post(target, {"transition": "pay", "version": "1"})
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/?unsent=no&next=")
    assert find(database, order) == before


@pytest.mark.parametrize("role", ["Manager", "superuser"])
def test_nobody_writes_changes_or_deletes_an_order_as_django_would(database: Database[Document], role: str) -> None:
    client = client_of(role)
    order = insert(database, stored())
    before = find(database, order)
    client.post(f"{LIST}add/", {"number": "0000-0000-0009", "user_id": "1", "status": "paid", "_save": "Save"})
    fields = {
        "status": "refunded",
        "status_name": "refunded",
        "user_id": "7",
        "total_price": "0.01",
        "history": "[]",
        "version": "9",
    }
    assert client.post(page(order), fields | {"_save": "Save"}).status_code == 403
    assert client.get(f"{LIST}{order['_id']}/delete/").status_code == 403
    assert client.post(f"{LIST}{order['_id']}/delete/", {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": str(order["_id"]), "post": "yes", "index": "0"}
    client.post(LIST, bulk)
    assert list(database["orders"].find()) == [before]


@pytest.mark.parametrize("role", ["Manager", "superuser"])
def test_the_page_has_no_field_to_edit_but_reason_note_and_address(database: Database[Document], role: str) -> None:
    client = client_of(role)
    for order in insert_each_status(database).values():
        content = client.get(page(order)).content.decode()
        main = main_of(client.get(page(order)))
        names = set(re.findall(r'<(?:input|select|textarea)[^>]*\bname="(\w+)"', main))
        parts = {
            *("reason_code", "form", "reference", "method", "amount", "quantity_0"),
            *("carrier", "tracking_number", "tracking_url", "tag", "to"),
        }
        address = {"name", "company", "line1", "line2", "city", "state", "postal_code", "country", "phone"}
        assert names <= {"csrfmiddlewaretoken", "version", "reason", "text", *parts, *address}
        assert not re.search(r'name="_(save|continue|addanother|saveasnew)"', content)
        assert "deletelink" not in content


def test_a_transition_is_a_post(database: Database[Document]) -> None:
    client, order = client_of("Manager"), insert(database, stored())
    for method in (client.get, client.head, client.put, client.patch, client.delete, client.options):
        response = method(f"{transition_of(order)}?transition=pay&version=1")
        assert response.status_code == 405
        assert "POST" in response["Allow"]
    assert find(database, order)["status"] == "pending"


def test_over_http_a_login_leads_back_to_the_order_whose_button_then_works(
    sandbox: Sandbox, live_server_url: str, database: Database[Document]
) -> None:
    staff("Finance")
    order = placed()
    with Browser(live_server_url) as browser:
        first = browser.get(page(order), allow_redirects=False)
        assert (first.status_code, first.headers["Location"]) == (302, f"/admin/login/?next={page(order)}")
        answer = browser.log_in("Finance", page(order))
        assert (answer.status_code, answer.headers["Location"]) == (302, page(order))
        form = {
            "transition": "pay",
            "version": re.search(r'name="version" value="(\d+)"', (shown := browser.get(page(order))).text)[1],
            "reason": "Wire transfer",
            "csrfmiddlewaretoken": browser.csrf_token(shown),
        }
        done = browser.post(transition_of(order), data=form, headers={"X-Request-ID": "till-7"})
        assert done.status_code == 200
        assert f"Order {order['number']} is now paid." in done.text
    last = find(database, order)["history"][-1]
    assert (last["act"], last["actor"], last["via"]) == ("pay", "staff:Finance", "admin")
    assert (last["reason"], last["request_id"]) == ("Wire transfer", "till-7")


def test_over_http_a_post_without_the_csrf_token_changes_nothing(
    running_sandbox: Sandbox, live_server_url: str, database: Database[Document]
) -> None:
    staff("Finance")
    order = insert(database, stored())
    with Browser(live_server_url) as browser:
        browser.log_in("Finance")
        for token in ({}, {"csrfmiddlewaretoken": ""}, {"csrfmiddlewaretoken": "x" * 64}):
            form = {"transition": "pay", "version": "1"} | token
            assert browser.post(transition_of(order), data=form).status_code == 403
        assert browser.get(page(order)).status_code == 200
    assert find(database, order)["status"] == "pending"


def test_over_http_a_wrong_password_opens_nothing(sandbox: Sandbox, live_server_url: str) -> None:
    with Browser(live_server_url) as browser:
        answer = browser.log_in("Finance")
        assert answer.status_code == 200
        assert "The user name or the password is wrong" in answer.text
        assert browser.get(LIST, allow_redirects=False).status_code == 302


def test_over_http_the_pages_styles_and_scripts_are_served(
    sandbox: Sandbox, live_server_url: str, database: Database[Document]
) -> None:
    staff("Manager")
    order = insert(database, stored())
    with Browser(live_server_url) as browser:
        browser.log_in("Manager")
        assets = set()
        for address in ("/admin/", LIST, page(order)):
            assets |= set(re.findall(r'(?:src|href)="(/static/[^"]+)"', browser.get(address).text))
        assert assets
        for asset in assets:
            assert browser.get(asset).status_code == 200, asset


def test_a_superuser_manages_logins(database: Database[Document]) -> None:
    client = client_of("superuser")
    form = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    assert client.post("/admin/auth/user/add/", form).status_code == 302
    newcomer = User.objects.get(username="newcomer")
    for address in ("user/", f"user/{newcomer.pk}/change/", "group/"):
        assert client.get(f"/admin/auth/{address}").status_code == 200
    assert client.get("/admin/").status_code == 200


def test_nobody_else_does(database: Database[Document]) -> None:
    client = client_of("Manager")
    assert client.get("/admin/auth/user/").status_code == 403
    assert client.get("/admin/auth/group/").status_code == 403
