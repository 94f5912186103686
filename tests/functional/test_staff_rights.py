"""Who may do what to which colleague: never to oneself, and never beyond one's own rights."""

import io
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.test import Client
from pymongo.database import Database
from pytest_django import Settings

from orders_project.admin import LoginAdmin
from orders_project.models import StaffIdentity
from orders_project.sign_on.accounts import link
from orders_project.staff import colleagues, links, rights, sign_ins
from orders_project.staff.rights import Deed, may
from tests.functional.admin_helpers import PASSWORD, Document, client_of, said, staff, text_of

ROLES = ("Finance", "Fulfilment", "Manager", "Support")
COLLEAGUES = {"manager", "support", "finance", "without a role", "support, off", "manager, off", "signs on"}
"""Whom there is to manage, beside superusers."""
REACH = {
    "superuser": COLLEAGUES | {"another superuser", "superuser, off"},
    "Manager": COLLEAGUES,
    "lead": {"support", "without a role", "support, off", "signs on"},  # Support, who may manage colleagues, too
    "Support": set(),
    "nobody": set(),
    "switched off": set(),  # a Manager
}
"""Who may manage whom. Nobody is in their own reach."""
TO_GIVE = {"superuser": set(ROLES), "Manager": set(ROLES), "lead": {"Support"}}


def lead() -> User:
    made = User.objects.create_user("lead", is_staff=True)
    made.groups.add(Group.objects.get(name="Support"))
    made.user_permissions.add(Permission.objects.get(codename="manage_staff"))
    return made


def person(name: str, role: str = "", **fields: Any) -> User:
    made = User.objects.create_user(name, password=PASSWORD, is_staff=True, **fields)
    if role:
        made.groups.add(Group.objects.get(name=role))
    return made


@pytest.fixture
def managers(database: Database[Document]) -> dict[str, User]:
    made = {name: staff(name) for name in ("superuser", "Manager", "Support", "nobody")}
    return made | {"lead": lead(), "switched off": person("was-manager", "Manager", is_active=False)}


@pytest.fixture
def targets(managers: dict[str, User]) -> dict[str, User]:
    made = {
        "manager": person("m", "Manager"),
        "support": person("s", "Support"),
        "finance": person("f", "Finance"),
        "without a role": person("n"),
        "support, off": person("so", "Support", is_active=False),
        "manager, off": person("mo", "Manager", is_active=False),
        "signs on": person("o", "Support"),
        "another superuser": person("r", is_superuser=True),
        "superuser, off": person("ro", is_superuser=True, is_active=False),
    }
    link(made["signs on"], "https://login.example", "248289761001")
    return made


def test_who_may_do_what_to_whom(
    managers: dict[str, User], targets: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every manager by every deed by every colleague, themselves among them, by every role where one is given."""
    for name in ("permissions_of", "permissions_of_group", "signs_on"):  # each is asked for a hundred times
        monkeypatch.setattr(rights, name, cache(getattr(rights, name)))
    roles = {role.name: role for role in Group.objects.filter(name__in=ROLES)}
    wrong, asked = [], 0
    for (who, manager), deed in product(managers.items(), Deed):
        everybody = {"": None} if deed is Deed.ADD else targets | {"themselves": manager}
        given = ROLES if deed in (Deed.ADD, Deed.CHANGE_ROLE) else ("",)
        for (whom, colleague), role in product(everybody.items(), given):
            is_near = who in TO_GIVE if deed is Deed.ADD else whom in REACH[who]
            if deed is Deed.RESET_PASSWORD and whom == "signs on" and who != "superuser":
                is_near = False
            expected = is_near and (not role or role in TO_GIVE[who])
            asked += 1
            if may(deed, manager, colleague, roles.get(role)) is not expected:
                wrong.append(f"{who} may {'not ' * expected}{deed} {whom} {role}")
    assert not wrong, "\n".join(wrong)
    assert asked == 6 * (4 + 10 * (4 + 6))


def test_whoever_may_not_is_refused_by_each_deed_and_nothing_changes(
    managers: dict[str, User], targets: dict[str, User], database: Database[Document]
) -> None:
    finance, support = (Group.objects.get(name=name) for name in ("Finance", "Support"))
    manager, far, near = managers["lead"], targets["finance"], targets["support"]
    new = {"username": "new", "name": "", "email": "new@shop.example"}
    deeds: list[Callable[[], Any]] = [
        lambda: colleagues.add(manager, role=finance, **new),
        lambda: colleagues.add(managers["Support"], role=support, **new),
        lambda: colleagues.change_role(manager, far, support),
        lambda: colleagues.change_role(manager, near, finance),
        lambda: colleagues.change_role(manager, manager, support),
        lambda: colleagues.switch(manager, far, on=False),
        lambda: colleagues.switch(manager, targets["manager, off"], on=True),
        lambda: colleagues.reset_password(manager, far),
        lambda: colleagues.reset_second_factor(manager, far),
        lambda: colleagues.end_sessions(manager, far),
    ]
    before = stored(database)
    for deed in deeds:
        with pytest.raises(PermissionDenied):
            deed()
    assert stored(database) == before


def stored(database: Database[Document]) -> list[list[Document]]:
    names = ("auth_user", "auth_user_groups", "staff_sign_ins", "staff_second_factors", "django_admin_log")
    return [list(database[name].find()) for name in names]


# --- adding one ------------------------------------------------------------------------------------------------------

NEW = {"username": "maria", "name": "Maria Musterfrau", "email": "maria@shop.example"}
CHOSEN = {"new_password1": "another battery staple", "new_password2": "another battery staple"}


def role_id(name: str) -> str:
    return str(Group.objects.get(name=name).pk)


def added(client: Client, role: str = "Support", **changes: str) -> str:
    """Add a colleague. :returns: the path of the link that the page shows."""
    answer = client.post("/admin/staff/add/", {**NEW, "role": role_id(role), **changes})
    assert answer.status_code == 200, text_of(answer)
    return str(answer.context["link"]).removeprefix("http://testserver")


def opened(path: str) -> tuple[Client, str]:
    """Somebody who follows a link, and the address of the form that they see."""
    client = Client()
    answer = client.get(path)
    assert answer.status_code == 302, text_of(answer)
    return client, answer.url


def is_void(path: str) -> bool:
    return "This link does not work any more" in text_of(Client().get(path, follow=True))


def test_a_colleague_is_added_on_one_page_and_sets_their_own_password_by_a_link_that_works_once(
    database: Database[Document],
) -> None:
    manager = client_of("Manager")
    path = added(manager)
    maria = User.objects.get(username="maria")
    assert (maria.is_staff, maria.is_active, maria.is_superuser, maria.get_full_name()) == (
        True, True, False, "Maria Musterfrau",
    )  # fmt: skip
    assert [group.name for group in maria.groups.all()] == ["Support"]
    assert not maria.has_usable_password()
    page = manager.get(f"/admin/staff/{maria.pk}/change/")
    assert path not in page.content.decode(), "it is shown once"
    assert "Manager: Added as Support." in text_of(page)
    (client, form), (late, same_form) = opened(path), opened(path)
    assert "too short" in text_of(client.post(form, {"new_password1": "short", "new_password2": "short"}))
    answer = client.post(form, CHOSEN)
    assert (answer.status_code, answer.url) == (302, "/admin/login/")
    assert said(answer) == ["Your password is set. Log in with it."]
    too_late = late.post(same_form, dict.fromkeys(CHOSEN, "a third battery staple"))
    assert "This link does not work any more" in text_of(too_late)
    assert is_void(path)
    assert User.objects.get(username="maria").check_password(CHOSEN["new_password1"])


def test_a_link_is_void_once_another_is_made_or_the_account_has_other_rights_or_is_off(
    database: Database[Document], settings: Settings
) -> None:
    manager = client_of("Manager")
    former = added(manager)
    maria = User.objects.get(username="maria")
    act = f"/admin/staff/{maria.pk}/act/"

    def reset() -> str:
        return str(manager.post(act, {"act": "password"}).context["link"]).removeprefix("http://testserver")

    path = reset()
    assert is_void(former)
    maria.groups.add(Group.objects.get(name="Finance"))
    assert is_void(path)
    path = reset()
    manager.post(act, {"act": "switch_off"})
    manager.post(act, {"act": "switch_on"})
    assert is_void(path), "even now that it is on again"
    manager.post(act, {"act": "role", "role": role_id("Support")})
    path = reset()
    for role in ("Finance", "Support"):
        manager.post(act, {"act": "role", "role": role_id(role)})
        assert is_void(path), "even with the role that it had"
    path = reset()
    root, at_django = client_of("superuser"), f"/admin/auth/user/{maria.pk}/change/"
    account = {"username": "maria", "email": NEW["email"], "is_staff": "on"}
    account |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    for role in ("Finance", "Support"):
        assert root.post(at_django, {**account, "groups": [role_id(role)]}).status_code == 302
        assert is_void(path), "nor by Django's page"
    path = reset()
    maria.is_superuser = True
    maria.save()
    assert is_void(path), "whoever holds it may not give a superuser a password"
    assert manager.post(act, {"act": "password"}).status_code == 403
    maria.is_superuser = False
    maria.save()
    assert not is_void(path := reset())
    link(maria, "https://login.example", "248289761001")
    assert is_void(path), "from now on the provider decides their rights"
    StaffIdentity.objects.all().delete()
    path = reset()
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert is_void(path)


def test_of_two_who_use_a_link_at_once_one_sets_the_password(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = added(client_of("Manager"))
    (one, form), (other, same) = opened(path), opened(path)
    check = links.tokens.check_token

    def meanwhile(*arguments: Any) -> bool:
        """Let the other one through after this one's token was found good."""
        monkeypatch.undo()
        is_good = check(*arguments)
        other.post(same, CHOSEN)
        return is_good

    monkeypatch.setattr(links.tokens, "check_token", meanwhile)
    late = "a third battery staple"
    assert one.post(form, {"new_password1": late, "new_password2": late}).status_code == 403
    assert User.objects.get(username="maria").check_password(CHOSEN["new_password1"])


def test_the_secret_of_a_link_is_not_logged(
    database: Database[Document], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = added(client_of("Manager"))
    secret = path.split("/")[-2]
    caplog.clear()
    caplog.set_level("INFO", "orders.requests")
    for address in (path, path.rstrip("/"), f"{path}more", f"{path}%0A"):
        Client().get(address)
    logged = [vars(record) for record in caplog.records if record.name == "orders.requests"]
    assert {each["path"] for each in logged} == {"/admin/set-password/…"}
    assert len(logged) == 4
    monkeypatch.setattr(links.tokens, "check_token", lambda *_: 1 / 0)
    assert Client(raise_request_exception=False).get(path).status_code == 500
    monkeypatch.undo()
    assert "Internal Server Error: /admin/set-password/…" in caplog.messages
    assert secret not in str([vars(record) | {"request": ""} for record in caplog.records])
    assert not is_void(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"username": "SUPPORT"}, "Somebody has this user name already."),
        ({"username": "mar\u0456a"}, "Letters, digits and @ . + - _ only"),
        ({"email": "nowhere"}, "Enter an e-mail address."),
        ({"role": ""}, "Choose a role."),
        ({"name": "x" * 151}, "At most 150 characters"),
        ({"subject": "248289761001"}, "There is no sign-on provider here."),
    ],
)
def test_what_is_wrong_with_a_new_colleague_is_said_and_nobody_is_added(
    database: Database[Document], changes: dict[str, str], told: str
) -> None:
    client = client_of("Manager")
    staff("Support")
    answer = client.post("/admin/staff/add/", {**NEW, "role": role_id("Support"), **changes})
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert User.objects.count() == 2


def test_a_role_beyond_ones_own_rights_is_neither_offered_nor_given(database: Database[Document]) -> None:
    client = Client()
    client.force_login(lead())
    page = client.get("/admin/staff/add/")
    assert [role.name for role in page.context["roles"]] == ["Support"]
    assert client.post("/admin/staff/add/", {**NEW, "role": role_id("Manager")}).status_code == 403
    assert not User.objects.filter(username="maria").exists()


def test_where_passwords_are_off_a_colleague_is_linked_to_their_sign_on(
    database: Database[Document], settings: Settings
) -> None:
    client = client_of("superuser")
    settings.LOCAL_LOGIN, settings.OIDC_ISSUER = False, "https://login.example"
    form = {**NEW, "role": role_id("Support")}
    assert "passwords are not accepted here" in text_of(client.post("/admin/staff/add/", form))
    answer = client.post("/admin/staff/add/", {**form, "subject": "248289761001"})
    assert "They sign on at the provider." in text_of(answer)
    assert not answer.context["link"]
    taken = client.post("/admin/staff/add/", {**form, "username": "other", "subject": "248289761001"})
    assert "Somebody has an account for this subject already." in text_of(taken)
    maria = User.objects.get(username="maria")
    assert client.post(f"/admin/staff/{maria.pk}/act/", {"act": "password"}).status_code == 403
    assert Client().get("/admin/set-password/eA/x-y/").status_code == 404


@pytest.mark.parametrize("page", ["change", "password"])
def test_what_others_do_to_an_account_while_djangos_page_saves_it_stands(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    root, user = client_of("superuser"), staff("Support")
    forms = {
        "change": {"username": "Support", "first_name": "Maria", "is_staff": "on", "groups": [role_id("Support")],
                   "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"},
        "password": {**dict.fromkeys(("password1", "password2"), CHOSEN["new_password1"]), "usable_password": "true"},
    }  # fmt: skip
    saving, name = (LoginAdmin, "save_model") if page == "change" else (User, "set_password")
    save = getattr(saving, name)

    def others_first(*arguments: Any) -> None:
        monkeypatch.undo()
        others = {"is_active": False, "email": "new@shop.example", "last_login": user.date_joined}
        User.objects.filter(pk=user.pk).update(**others)
        save(*arguments)

    monkeypatch.setattr(saving, name, others_first)
    assert root.post(f"/admin/auth/user/{user.pk}/{page}/", forms[page]).status_code == 302
    now = User.objects.get(pk=user.pk)
    assert (now.is_active, now.email) == (False, "new@shop.example")
    assert now.last_login is not None
    assert now.first_name == ("Maria" if page == "change" else "")
    assert now.check_password(PASSWORD if page == "change" else CHOSEN["new_password1"])


def test_a_page_of_djangos_from_before_somebody_was_switched_off_lets_nobody_in_again(
    database: Database[Document],
) -> None:
    root, user = client_of("superuser"), staff("Support")
    page = f"/admin/auth/user/{user.pk}/change/"
    form = {"username": "Support", "is_staff": "on", "is_active": "on", "groups": [role_id("Support")]}
    form |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "last_login_0": "", "last_login_1": ""}
    User.objects.filter(pk=user.pk).update(is_active=False, last_login=user.date_joined)
    assert root.post(page, form).status_code == 302
    now = User.objects.get(pk=user.pk)
    assert not now.is_active
    assert now.last_login is not None


def test_of_two_who_give_somebody_a_password_at_once_one_does(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, user = client_of("superuser"), staff("Support")
    set_password = User.set_password

    def others_first(self: User, password: str) -> None:
        monkeypatch.undo()
        links.new_link(User.objects.get(pk=user.pk))
        set_password(self, password)

    monkeypatch.setattr(User, "set_password", others_first)
    form = {**dict.fromkeys(("password1", "password2"), CHOSEN["new_password1"]), "usable_password": "true"}
    assert root.post(f"/admin/auth/user/{user.pk}/password/", form).status_code == 403
    assert not User.objects.get(pk=user.pk).has_usable_password()


@pytest.mark.parametrize("has_link", [False, True])
def test_an_account_that_is_linked_to_a_sign_on_has_no_password_link_or_session_any_more(
    database: Database[Document], settings: Settings, has_link: bool
) -> None:
    settings.OIDC_ISSUER = "https://login.example"
    client, user = client_of("Support"), User.objects.get(username="Support")
    path = links.new_link(user) if has_link else ""
    client.force_login(user)
    call_command("link_staff_login", "Support", subject="248289761001", stdout=io.StringIO())
    assert client.get("/admin/account/security/").status_code == 302
    assert not sign_ins.open_ones(user).exists()
    assert not User.objects.get(pk=user.pk).has_usable_password()
    call_command("link_staff_login", "Support", unlink=True, stdout=io.StringIO())
    assert not path or is_void(path), "not even now"


def test_what_is_done_to_a_colleague_is_logged_with_who_did_it(database: Database[Document]) -> None:
    client, finance = client_of("Manager"), staff("Finance")
    act = f"/admin/staff/{finance.pk}/act/"
    for form in (
        {"act": "role", "role": role_id("Support")},
        {"act": "switch_off"},
        {"act": "switch_off"},
        {"act": "switch_on"},
        {"act": "password"},
        {"act": "second_factor"},
        {"act": "end_sessions"},
    ):
        assert client.post(act, form).status_code in (200, 302)
    told = [
        (str(each.user), each.object_repr, each.change_message) for each in LogEntry.objects.order_by("action_time")
    ]
    assert told == [
        ("Manager", "Finance", "Role changed from Finance to Support."),
        ("Manager", "Finance", "Switched off."),
        ("Manager", "Finance", "Switched on."),
        ("Manager", "Finance", "Password reset; a link for a new one was made."),
    ], "what was so already is no deed"
    assert said(client.post(act, {"act": "nonsense"}))[-1:] == [
        "The form is incomplete. Reload the page and try again."
    ]
    assert client.get(f"/admin/staff/{'0' * 24}/change/").status_code == 404
