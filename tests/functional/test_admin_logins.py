"""Who may change logins and roles is bounded by what they may do themselves; superusers alone make superusers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database

from orders_project.sign_on.accounts import link
from tests.functional.admin_helpers import PASSWORD, Document, client_of, staff

OF_LOGINS = ("add_user", "change_user", "delete_user", "view_user", "add_group", "change_group", "delete_group")
OWN = ("view_order", "pay_order", *OF_LOGINS)
"""What the keeper of the logins may do."""
JOINED = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
NEW = "another battery staple"
SET = {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"}


@pytest.fixture(autouse=True)
def _roles_are_left_as_they_were(database: Database[Document]) -> Iterator[None]:
    names = ("auth_group", "auth_group_permissions")
    before = {name: list(database[name].find()) for name in names}
    yield
    for name, documents in before.items():
        database[name].delete_many({})
        database[name].insert_many(documents)


@pytest.fixture
def keeper(database: Database[Document]) -> Client:
    """A session of staff who may change logins and roles, and see and pay orders."""
    return keeper_of(OWN)


def keeper_of(codenames: tuple[str, ...]) -> Client:
    login = User.objects.create_user("keeper", password=PASSWORD, is_staff=True)
    login.user_permissions.set(permissions(*codenames))
    client = Client()
    client.force_login(login)
    return client


def permissions(*codenames: str) -> list[Permission]:
    return list(Permission.objects.filter(codename__in=codenames))


def login(name: str = "clerk", *codenames: str, **fields: Any) -> User:
    made = User.objects.create_user(name, password=PASSWORD, is_staff=True, **fields)
    made.user_permissions.set(permissions(*codenames))
    return made


def change(client: Client, obj: User | Group, **form: Any) -> HttpResponse:
    kind = "user" if isinstance(obj, User) else "group"
    plain = {"username": obj.username, "is_active": "on", "is_staff": "on", **JOINED} if isinstance(obj, User) else {}
    return client.post(f"/admin/auth/{kind}/{obj.pk}/change/", plain | form)


def ids(*objects: Any) -> list[str]:
    return [str(one.pk) for one in objects]


def stored(database: Database[Document]) -> list[list[Document]]:
    """All that is known of logins and roles, but for when somebody last did something."""
    names = ("auth_user", "auth_group", "auth_user_groups", "auth_user_user_permissions", "auth_group_permissions")
    return [list(database[name].find()) for name in names]


# --- superusers ------------------------------------------------------------------------------------------------------


def test_nobody_makes_themselves_or_others_a_superuser(keeper: Client) -> None:
    clerk, own = login(), User.objects.get(username="keeper")
    for one in (clerk, own):
        kept = [permission.pk for permission in one.user_permissions.all()]
        answer = change(keeper, one, is_superuser="on", first_name="Changed", user_permissions=[*map(str, kept)])
        assert answer.status_code == 302
        one.refresh_from_db()
        assert (one.first_name, one.is_superuser) == ("Changed", False)
        assert 'name="is_superuser"' not in keeper.get(f"/admin/auth/user/{one.pk}/change/").content.decode()


def test_nobody_makes_a_superuser_by_making_a_login(keeper: Client) -> None:
    form = {"username": "newcomer", **SET, "is_superuser": "on", "is_staff": "on", "groups": ids(*Group.objects.all())}
    assert keeper.post("/admin/auth/user/add/", form).status_code == 302
    made = User.objects.get(username="newcomer")
    assert (made.is_superuser, made.is_staff, made.groups.count()) == (False, False, 0)


@pytest.mark.parametrize("active", [True, False], ids=["active", "not active"])
def test_a_superuser_is_changed_and_deleted_by_superusers_alone(
    keeper: Client, database: Database[Document], active: bool
) -> None:
    root = User.objects.create_superuser("root", "root@shop.example", PASSWORD, is_active=active)
    refused_everywhere(keeper, database, root)
    page = keeper.get(f"/admin/auth/user/{root.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    client = client_of("superuser")
    assert change(client, root, email="new@shop.example", is_superuser="on").status_code == 302
    assert client.post(f"/admin/auth/user/{root.pk}/password/", SET).status_code == 302
    root.refresh_from_db()
    assert root.email == "new@shop.example"
    assert root.check_password(NEW)
    assert client.post(f"/admin/auth/user/{root.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=root.pk).exists()


def refused_everywhere(client: Client, database: Database[Document], one: User) -> None:
    """Nothing of a login can be changed, and it cannot be deleted, alone or in a list."""
    before, other = stored(database), ids(User.objects.get(username="keeper"))
    address = f"/admin/auth/user/{one.pk}"
    selected = {"action": "delete_selected", "_selected_action": [*ids(one), *other], "post": "yes", "index": "0"}
    attempts: dict[str, Any] = {
        "e-mail": change(client, one, email="mine@evil.example"),
        "not active": client.post(f"{address}/change/", {"username": one.username, **JOINED}),
        "password": client.post(f"{address}/password/", SET),
        "no password": client.post(f"{address}/password/", {"usable_password": "false", "unset-password": "1"}),
        "password page": client.get(f"{address}/password/"),
        "deleted": client.post(f"{address}/delete/", {"post": "yes"}),
        "in a list": client.post("/admin/auth/user/", selected),
    }
    assert {name: answer.status_code for name, answer in attempts.items()} == dict.fromkeys(attempts, 403)
    assert stored(database) == before


# --- logins that may do more than oneself ----------------------------------------------------------------------------


@pytest.mark.parametrize("active", [True, False], ids=["active", "not active"])
@pytest.mark.parametrize("way", ["itself", "by its role"])
def test_a_login_that_may_do_more_is_out_of_reach(
    keeper: Client, database: Database[Document], way: str, active: bool
) -> None:
    """Its password would give what one does not have; and so would one that sleeps, once woken up."""
    if way == "itself":
        refused_everywhere(keeper, database, login("finance", "refund_order", is_active=active))
    else:
        member = login("finance", is_active=active)
        member.groups.add(Group.objects.get(name="Finance"))
        refused_everywhere(keeper, database, member)


def test_a_login_that_may_do_as_much_or_less_is_kept_as_before(keeper: Client) -> None:
    clerk = login("clerk", "view_order")
    assert change(keeper, clerk, email="clerk@shop.example", user_permissions=ids(*permissions("pay_order"))).url
    assert keeper.post(f"/admin/auth/user/{clerk.pk}/password/", SET).status_code == 302
    clerk = User.objects.get(pk=clerk.pk)
    assert (clerk.email, clerk.check_password(NEW)) == ("clerk@shop.example", True)
    assert [permission.codename for permission in clerk.user_permissions.all()] == ["pay_order"]
    selected = {"action": "delete_selected", "_selected_action": ids(clerk), "post": "yes", "index": "0"}
    assert keeper.post("/admin/auth/user/", selected).status_code == 302
    assert not User.objects.filter(pk=clerk.pk).exists()


def test_only_superusers_give_a_password_to_somebody_who_signs_on(keeper: Client, database: Database[Document]) -> None:
    """Whoever set one today could use it once the provider gives that person more rights."""
    clerk = login("clerk", "view_order")
    link(clerk, "https://login.example", "248289761001")
    before, address = stored(database), f"/admin/auth/user/{clerk.pk}/password/"
    assert [keeper.get(address).status_code, keeper.post(address, SET).status_code] == [403, 403]
    assert stored(database) == before
    assert client_of("superuser").post(address, SET).status_code == 302
    assert User.objects.get(pk=clerk.pk).check_password(NEW)


# --- what is handed out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["keeper", "clerk"])
def test_nobody_hands_out_a_permission_or_a_role_that_they_do_not_have(
    keeper: Client, database: Database[Document], whose: str
) -> None:
    login()
    one, before = User.objects.get(username=whose), stored(database)
    own = ids(*one.user_permissions.all())
    for form in (
        {"user_permissions": [*own, *ids(*permissions("refund_order"))]},
        {"user_permissions": own, "groups": ids(Group.objects.get(name="Finance"))},
    ):
        answer = change(keeper, one, first_name="Changed", **form)
        assert answer.status_code == 200
        assert "Select a valid choice" in answer.content.decode()
    assert stored(database) == before


def test_what_one_has_oneself_can_be_handed_out(keeper: Client) -> None:
    clerk, cashiers = login(), Group.objects.create(name="Cashiers")
    cashiers.permissions.set(permissions("view_order", "pay_order"))
    form = {"user_permissions": ids(*permissions("view_user")), "groups": ids(cashiers)}
    assert change(keeper, clerk, **form).status_code == 302
    assert User.objects.get(pk=clerk.pk).get_all_permissions() == {
        "orders.view_order", "orders.pay_order", "auth.view_user",
    }  # fmt: skip


def test_a_role_that_one_has_by_a_role_can_be_handed_out(database: Database[Document]) -> None:
    client, clerk, finance = keeper_of(OF_LOGINS), login(), Group.objects.get(name="Finance")
    User.objects.get(username="keeper").groups.add(finance)
    assert change(client, clerk, groups=ids(finance)).status_code == 302
    assert [*clerk.groups.all()] == [finance]


def test_a_role_that_may_do_more_is_out_of_reach(keeper: Client, database: Database[Document]) -> None:
    finance, before = Group.objects.get(name="Finance"), stored(database)
    selected = {"action": "delete_selected", "_selected_action": ids(finance), "post": "yes", "index": "0"}
    for answer in (
        change(keeper, finance, name="Finance", permissions=ids(*permissions("view_order"))),
        keeper.post(f"/admin/auth/group/{finance.pk}/delete/", {"post": "yes"}),
        keeper.post("/admin/auth/group/", selected),
    ):
        assert answer.status_code == 403
    assert stored(database) == before


def test_nobody_puts_more_into_ones_own_role_than_they_have(keeper: Client, database: Database[Document]) -> None:
    cashiers = Group.objects.create(name="Cashiers")
    User.objects.get(username="keeper").groups.add(cashiers)
    before = stored(database)
    for address in (f"{cashiers.pk}/change/", "add/"):
        form = {"name": "New", "permissions": ids(*permissions("view_order", "refund_order"))}
        answer = keeper.post(f"/admin/auth/group/{address}", form)
        assert answer.status_code == 200
        assert "Select a valid choice" in answer.content.decode()
    assert stored(database) == before
    assert change(keeper, cashiers, name="Tills", permissions=ids(*permissions("pay_order"))).status_code == 302
    assert [permission.codename for permission in cashiers.permissions.all()] == ["pay_order"]


def test_a_superuser_hands_out_everything(database: Database[Document]) -> None:
    client, finance = client_of("superuser"), staff("Finance")
    form = {
        "is_superuser": "on",
        "user_permissions": ids(*permissions("ship_order")),
        "groups": ids(*Group.objects.all()),
    }
    assert change(client, finance, **form).status_code == 302
    finance = User.objects.get(pk=finance.pk)
    assert (finance.is_superuser, finance.groups.count()) == (True, Group.objects.count())
    assert change(
        client, Group.objects.get(name="Finance"), name="Finance", permissions=ids(*permissions("ship_order"))
    )
    assert Group.objects.get(name="Finance").permissions.get().codename == "ship_order"
