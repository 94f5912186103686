"""Coming in by password and code, sessions that are listed and ended, and what a log-in that fails says."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from orders_project.models import RecoveryCode, SecondFactor, SignIn
from orders_project.settings.sign_on import BACKEND
from orders_project.staff import links, second_factor, sign_ins
from tests.functional.admin_helpers import PASSWORD, Document, client_of, profiled, said, staff, text_of
from tests.functional.helpers import at_once

ORDERS = "/admin/orders/order/"
SECURITY = "/admin/account/security/"
ACT = "/admin/account/act/"
SET_UP = "/admin/account/two-factor/"
CODE = "/admin/login/code/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


WINDOW = second_factor.WINDOW


@pytest.fixture(autouse=True)
def codes_last_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a code that a test has made is still good when it arrives."""
    monkeypatch.setattr(second_factor, "WINDOW", 20)


def log_in(name: str = "Support", password: str = PASSWORD, **options: Any) -> tuple[Client, HttpResponse]:
    client = Client(**options)
    answer = client.post(f"/admin/login/?next={ORDERS}", {"username": name, "password": password, "next": ORDERS})
    return client, answer


def is_in(client: Client) -> bool:
    return client.get(SECURITY).status_code == 200


def enrolled(name: str = "Support") -> tuple[User, str, list[str]]:
    """Somebody with an app, whose current code has not been used, its secret, and their recovery codes."""
    user, secret = staff(name), second_factor.new_secret()
    SecondFactor.objects.create(user=user, secret=secret, last_step=0, since=timezone.now())
    return user, secret, second_factor.renew_recovery_codes(user)


def now_of(secret: str) -> str:
    return pyotp.TOTP(secret).now()


def wrong_for(secret: str) -> str:
    """A code that is none of this app's for a long time."""
    near = {pyotp.TOTP(secret).at(timezone.now(), counter_offset=step) for step in range(-30, 60)}
    return next(
        code for code in ("000000", "111111", "222222", "333333", *map(str, range(444444, 444460))) if code not in near
    )


def waiting() -> Client:
    """Somebody whose password was right, and who is asked for the code."""
    client, answer = log_in()
    assert (answer.status_code, answer.url) == (302, CODE)
    assert not is_in(client)
    return client


# --- the second factor -----------------------------------------------------------------------------------------------


def test_it_is_set_up_with_a_code_and_asked_for_from_then_on(database: Database[Document]) -> None:
    staff("Support")
    (client, _), (other, _) = log_in(), log_in()
    page = client.get(SET_UP)
    secret = page.context["secret"].replace(" ", "")
    assert client.get(SET_UP).context["secret"].replace(" ", "") == secret, "the app has scanned this one"
    assert "<svg" in page.content.decode()
    assert "not the code of the app" in text_of(client.post(SET_UP, {"code": wrong_for(secret), "password": PASSWORD}))
    assert not SecondFactor.objects.exists()
    used = now_of(secret)
    answer = client.post(SET_UP, {"code": used, "password": PASSWORD})
    codes = re.findall(r"<li><code>([\w-]+)</code>", answer.content.decode())
    assert len(set(codes)) == second_factor.CODES
    assert is_in(client)
    assert not is_in(other), "whoever has the password alone is out"
    assert not any(code.replace("-", "") in str(database["staff_recovery_codes"].find().to_list()) for code in codes)
    assert "10 recovery codes are left" in text_of(client.get(SECURITY))
    assert client.get(SET_UP).status_code == 302, "it is on"

    late, answer = log_in()
    assert answer.url == CODE
    assert "This code is wrong" in text_of(late.post(CODE, {"code": used})), "it was used for setting up"
    answer = late.post(CODE, {"code": codes[0].upper()})
    assert (answer.status_code, answer.url) == (302, ORDERS)
    assert said(answer) == ["9 recovery codes are left."]
    assert "This code is wrong" in text_of(waiting().post(CODE, {"code": codes[0]}))
    assert [each.way for each in SignIn.objects.order_by("-began_at")[:1]] == [SignIn.Way.RECOVERY]


def test_it_is_set_up_with_the_password_only_whose_wrong_tries_are_counted(
    database: Database[Document], settings: Settings
) -> None:
    client, other = client_of("Support"), Client()
    other.force_login(User.objects.get(username="Support"))
    code = now_of(client.get(SET_UP).context["secret"].replace(" ", ""))
    for form in ({"code": code}, {"code": code, "password": "wrong"}):
        assert "This is not your password." in text_of(client.post(SET_UP, form))
    settings.AXES_FAILURE_LIMIT = 3
    assert [client.post(SET_UP, {"code": code, "password": given}).status_code for given in ("wrong", PASSWORD)] == [
        429
    ] * 2
    assert not SecondFactor.objects.exists()
    assert (is_in(client), is_in(other)) == (True, True)


def test_a_code_is_good_for_a_step_before_and_after_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_factor, "WINDOW", WINDOW)
    secret = second_factor.new_secret()
    app = pyotp.TOTP(secret)
    step = app.timecode(timezone.now())
    assert second_factor.step_of(secret, app.generate_otp(step - 2)) is None, "nor does it become good again"
    assert second_factor.step_of(secret, app.generate_otp(step + 30)) is None
    monkeypatch.setattr(second_factor, "WINDOW", 20)
    assert second_factor.step_of(secret, app.generate_otp(step)) == step


@pytest.mark.parametrize("kind", ["of the app", "recovery"])
def test_of_eight_who_come_with_one_code_at_once_one_gets_in(
    database: Database[Document], settings: Settings, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """All have seen that the code is good, or come to the recovery codes, before any of them goes on."""
    _, secret, codes = enrolled()
    settings.LOG_IN_FAILURES = settings.AXES_FAILURE_LIMIT = 100
    clients, together = [waiting() for _ in range(8)], threading.Barrier(8)
    code, before = (now_of(secret), "step_of") if kind == "of the app" else (codes[0], "_take_of_app")
    look = getattr(second_factor, before)

    def at_the_same_time(*arguments: Any) -> Any:
        found = look(*arguments)
        together.wait(timeout=60)
        return found

    monkeypatch.setattr(second_factor, before, at_the_same_time)

    def come(number: int) -> int:
        try:
            return clients[number].post(CODE, {"code": code}).status_code
        finally:
            connections.close_all()

    assert sorted(at_once(8, come)) == [200] * 7 + [302]
    assert [is_in(client) for client in clients].count(True) == 1
    assert RecoveryCode.objects.count() == second_factor.CODES - (kind == "recovery")


def test_of_many_codes_at_once_no_more_are_looked_at_than_may_fail(
    database: Database[Document], settings: Settings
) -> None:
    settings.AXES_FAILURE_LIMIT = 100
    user, secret, codes = enrolled()
    clients = [waiting() for _ in range(8)]
    settings.LOG_IN_FAILURES = 3
    together = threading.Barrier(8)
    wrong = wrong_for(secret)

    def guess(number: int) -> int:
        try:
            together.wait(timeout=60)
            return clients[number].post(CODE, {"code": wrong}).status_code
        finally:
            connections.close_all()

    assert sorted(at_once(8, guess)) == [200] * 3 + [429] * 5
    for code in (now_of(secret), codes[0]):
        answer = clients[0].post(CODE, {"code": code})
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= settings.LOG_IN_COOL_OFF
        assert "Too many failed log-in attempts" in text_of(answer)
    assert not is_in(clients[0])
    assert RecoveryCode.objects.filter(user=user).count() == second_factor.CODES, "none was used up"


def test_a_log_in_that_waits_for_a_code_ends_with_the_password_the_account_or_its_time(
    database: Database[Document],
) -> None:
    user, secret, _ = enrolled()
    clients = {name: waiting() for name in ("password", "time", "off")}
    session = clients["time"].session
    session["waiting_for_code"] = {**session["waiting_for_code"], "until": timezone.now().timestamp() - 1}
    session.save()
    assert clients["time"].get(CODE).url == "/admin/login/"
    user.set_password("another battery staple")
    user.save()
    assert clients["password"].post(CODE, {"code": now_of(secret)}).url == "/admin/login/"
    client, _ = log_in(password="another battery staple")
    assert client.get(CODE).status_code == 200
    User.objects.update(is_active=False)
    assert client.post(CODE, {"code": now_of(secret)}).url == "/admin/login/"
    assert Client().get(CODE).url == "/admin/login/"
    assert SignIn.objects.count() == 0


@pytest.mark.parametrize(
    ("roles", "role", "is_needed"),
    [((), "Support", True), (("Finance",), "Support", False), (("Support",), "Support", True),
     (("Finance",), "superuser", True)],
)  # fmt: skip
def test_where_it_is_required_nothing_else_opens_before_it_is_set_up(
    database: Database[Document], settings: Settings, roles: tuple[str, ...], role: str, is_needed: bool
) -> None:
    settings.STAFF_TWO_FACTOR, settings.STAFF_TWO_FACTOR_ROLES = "required", list(roles)
    staff(role)
    client, answer = log_in(role)
    assert answer.url == ORDERS
    assert client.get(ORDERS).status_code == (302 if is_needed else 200)
    if not is_needed:
        return
    for path in (ORDERS, "/admin/", "/admin/login/", SECURITY, "/admin/password_change/"):
        assert client.get(path).url == SET_UP, path
    assert client.post(ACT, {"act": "end_others"}).url == SET_UP
    page = client.get(SET_UP)
    assert "Your role needs two-factor log-in" in text_of(page)
    code = now_of(page.context["secret"].replace(" ", ""))
    assert client.post(SET_UP, {"code": code, "password": PASSWORD}).status_code == 200
    assert client.get(ORDERS).status_code == 200


def test_whoever_has_to_set_it_up_can_log_out(database: Database[Document], settings: Settings) -> None:
    settings.STAFF_TWO_FACTOR = "required"
    staff("Support")
    client, _ = log_in()
    assert client.post("/admin/logout/").status_code == 200
    assert client.get(SET_UP).url.startswith("/admin/login/")
    assert client.post(SET_UP, {"code": "1"}).url.startswith("/admin/login/")


def test_where_it_is_off_nobody_is_asked_and_whoever_came_in_so_is_out_once_it_is_required(
    database: Database[Document], settings: Settings
) -> None:
    enrolled()
    settings.STAFF_TWO_FACTOR = "off"
    client, answer = log_in()
    assert answer.url == ORDERS
    assert "switched off on this service" in text_of(client.get(SECURITY))
    assert client.get(SET_UP).url == SECURITY
    settings.STAFF_TWO_FACTOR = "required"
    assert client.get(ORDERS).url == SET_UP
    assert client.get(SET_UP).url == "/admin/login/"
    assert client.get(ORDERS).url.startswith("/admin/login/")


def test_whoever_signs_on_at_the_provider_is_not_asked(database: Database[Document], settings: Settings) -> None:
    settings.STAFF_TWO_FACTOR = "required"
    settings.AUTHENTICATION_BACKENDS = [BACKEND, *settings.AUTHENTICATION_BACKENDS]
    user, client = staff("Support"), Client()
    user.set_unusable_password()
    user.save()
    client.force_login(user, backend=BACKEND)
    assert client.get(ORDERS).status_code == 200
    page = text_of(client.get(SECURITY))
    assert "You sign on at your identity provider" in page
    assert "Single sign-on" in page
    assert client.get(SET_UP).url == SECURITY


def test_it_is_turned_off_and_codes_are_renewed_with_a_code_alone(database: Database[Document]) -> None:
    _, secret, codes = enrolled()
    client = waiting()
    client.post(CODE, {"code": codes[0]})
    for act in ("off", "recovery_codes"):
        assert said(client.post(ACT, {"act": act, "code": codes[0]}))[-1].startswith("This code is wrong")
    assert SecondFactor.objects.exists()
    page = client.post(ACT, {"act": "recovery_codes", "code": now_of(secret)})
    new = re.findall(r"<li><code>([\w-]+)</code>", page.content.decode())
    assert said(client.post(ACT, {"act": "off", "code": codes[1]}))[-1].startswith("This code is wrong"), "an old one"
    assert client.post(ACT, {"act": "off", "code": new[0]}).url == SECURITY
    assert not SecondFactor.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert log_in()[1].url == ORDERS


def test_whoever_turns_it_off_where_it_is_required_is_not_in_elsewhere_without_it(
    database: Database[Document], settings: Settings
) -> None:
    settings.STAFF_TWO_FACTOR = "required"
    _, _, codes = enrolled()
    here, there = waiting(), waiting()
    assert [client.post(CODE, {"code": code}).url for client, code in ((here, codes[0]), (there, codes[1]))] == [
        ORDERS
    ] * 2
    assert here.post(ACT, {"act": "off", "code": codes[2]}).url == SECURITY
    assert here.get(ORDERS).url == SET_UP
    assert there.get(ORDERS).url.startswith("/admin/login/")


def test_a_manager_turns_it_off_for_whoever_has_lost_it_and_they_are_out(database: Database[Document]) -> None:
    user, secret, _ = enrolled()
    client = waiting()
    assert client.post(CODE, {"code": now_of(secret)}).url == ORDERS
    manager = client_of("Manager")
    assert manager.post(f"/admin/staff/{user.pk}/act/", {"act": "second_factor"}).status_code == 302
    assert not is_in(client)
    assert log_in()[1].url == ORDERS


# --- sessions --------------------------------------------------------------------------------------------------------


def test_people_see_where_they_are_logged_in_and_end_one_or_all_others(
    database: Database[Document], settings: Settings
) -> None:
    user = staff("Support")
    here, _ = log_in(HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.77")
    there, _ = log_in(REMOTE_ADDR="2001:db8:1:2::1")
    third, _ = log_in()
    stranger = client_of("Finance")
    page = text_of(here.get(SECURITY))
    assert "Firefox on Linux 192.0.2.0/24 Password" in page
    assert "2001:db8:1::/48" in page
    assert "192.0.2.77" not in str(database["staff_sign_ins"].find().to_list())
    ids = {client: client.session[sign_ins.KEY] for client in (here, there, stranger)}
    over = "This session is over already."
    assert said(here.post(ACT, {"act": "end", "sign_in": ids[stranger]}))[-1] == over
    assert is_in(stranger), "nobody ends another's"
    settings.STAFF_SESSION_AGE = 60  # from now on; these sessions are longer, and older
    SignIn.objects.filter(pk=ids[there]).update(began_at=timezone.now() - timedelta(hours=1))
    ends = {"act": "end", "sign_in": ids[there]}
    assert [said(here.post(ACT, ends))[-1] for _ in range(2)] == ["The session has been ended.", over]
    assert [is_in(client) for client in (here, there, third)] == [True, False, True]
    assert there.post(f"{ORDERS}{'0' * 24}/note/", {"text": "a"}).url.startswith("/admin/login/")
    here.post(ACT, {"act": "end_others"})
    assert [is_in(client) for client in (here, third)] == [True, False]
    assert said(here.post(ACT, {"act": "?"}))[-1:] == ["The form is incomplete. Reload the page and try again."]
    here.post("/admin/logout/")
    assert {each.ended_by for each in SignIn.objects.filter(user=user)} == {"Support"}


def test_a_session_ends_at_once_with_the_account_its_role_its_password_or_by_a_manager(
    database: Database[Document],
) -> None:
    manager, root, support = client_of("Manager"), client_of("superuser"), staff("Support")
    act, at_django = f"/admin/staff/{support.pk}/act/", f"/admin/auth/user/{support.pk}/change/"
    role = str(Group.objects.get(name="Fulfilment").pk)
    account = {"username": "Support", "is_staff": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    ways: dict[str, Any] = {
        "by a manager": lambda: manager.post(act, {"act": "end_sessions"}),
        "role": lambda: manager.post(act, {"act": "role", "role": role}),
        "off": lambda: manager.post(act, {"act": "switch_off"}),
        "password": lambda: manager.post(act, {"act": "password"}),
        "rights, by Django's page": lambda: root.post(at_django, {**account, "groups": []}),
        "no staff, by Django's page": lambda: root.post(at_django, {**account, "is_staff": ""}),
        "password, by Django's page": lambda: root.post(
            f"/admin/auth/user/{support.pk}/password/",
            {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true", "set-password": "1"},
        ),
    }  # fmt: skip
    for way, end in ways.items():
        User.objects.filter(pk=support.pk).update(is_active=True, is_staff=True)
        support.groups.set([Group.objects.get(name="Support")])
        client = Client()
        client.force_login(User.objects.get(pk=support.pk))
        assert is_in(client), way
        assert end().status_code in (200, 302), way
        assert not is_in(client), way
        assert not sign_ins.open_ones(support).exists(), f"{way}: it is shown as ended"


def test_a_new_password_ends_ones_other_sessions_and_this_one_goes_on(database: Database[Document]) -> None:
    user = staff("Support")
    (here, _), (there, _) = log_in(), log_in()
    new = {"new_password1": "another battery staple", "new_password2": "another battery staple"}
    assert here.post("/admin/password_change/", {"old_password": PASSWORD, **new}).status_code == 302
    assert (is_in(here), is_in(there)) == (True, False)
    assert sign_ins.open_ones(user).count() == 1


@pytest.mark.parametrize("deed", ["switched off", "demoted", "deleted", "given a link"])
def test_what_others_do_while_somebody_changes_their_password_stands(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    user, account = staff("superuser"), User.objects.filter(username="superuser")
    client, _ = log_in("superuser")
    deeds: dict[str, Callable[[], Any]] = {
        "switched off": lambda: account.update(is_active=False),
        "demoted": lambda: account.update(is_superuser=False, is_staff=False),
        "deleted": lambda: User.objects.get(pk=user.pk).delete(),
        "given a link": lambda: links.new_link(User.objects.get(pk=user.pk)),
    }
    after: list[Document | None] = []

    def others_first(self: User, password: str) -> None:
        monkeypatch.undo()
        deeds[deed]()
        after.append(database["auth_user"].find_one())
        self.set_password(password)

    monkeypatch.setattr(User, "set_password", others_first)
    new = {"new_password1": "another battery staple", "new_password2": "another battery staple"}
    answer = client.post("/admin/password_change/", {"old_password": PASSWORD, **new})
    assert answer.status_code == 403
    assert "The password is not changed." in text_of(answer)
    assert [database["auth_user"].find_one()] == after


def test_a_password_whose_hash_is_renewed_as_it_is_checked_can_be_changed(
    database: Database[Document], settings: Settings
) -> None:
    staff("Support")
    client, _ = log_in()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    new = {"new_password1": "another battery staple", "new_password2": "another battery staple"}
    assert client.post("/admin/password_change/", {"old_password": PASSWORD, **new}).status_code == 302
    assert is_in(client)


@pytest.mark.parametrize("act", ["switch_off", "second_factor"])
def test_sessions_that_could_not_be_ended_are_ended_by_doing_it_again(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    manager, user = client_of("Manager", raise_request_exception=False), staff("Support")
    client, _ = log_in()
    SecondFactor.objects.create(user=user, secret=second_factor.new_secret(), last_step=0, since=timezone.now())

    def fails_once(*_arguments: Any, **_options: Any) -> int:
        monkeypatch.undo()
        raise DatabaseError("no answer")

    monkeypatch.setattr(sign_ins, "end_all", fails_once)
    address = f"/admin/staff/{user.pk}/act/"
    assert manager.post(address, {"act": act}).status_code >= 500
    assert sign_ins.open_ones(user).exists()
    for _ in range(2):
        assert manager.post(address, {"act": act}).status_code == 302
        assert not sign_ins.open_ones(user).exists()
    User.objects.update(is_active=True)
    assert not is_in(client)
    assert LogEntry.objects.count() == 1, "the third time there was nothing to do"


def test_whoever_logs_in_again_in_the_same_browser_has_one_session(database: Database[Document]) -> None:
    user = staff("Support")
    client, _ = log_in()
    client.post("/admin/login/", {"username": "Support", "password": PASSWORD})
    assert is_in(client)
    assert SignIn.objects.filter(user=user).count() == 2
    assert sign_ins.open_ones(user).count() == 1


def test_a_session_without_a_sign_in_or_with_anothers_counts_for_nothing(database: Database[Document]) -> None:
    stranger, client = client_of("Finance"), client_of("Support")
    for sign_in in (stranger.session[sign_ins.KEY], "0" * 24, "nonsense"):
        session = client.session
        session[sign_ins.KEY] = sign_in
        session.save()
        assert not is_in(client)


def test_when_somebody_was_last_seen_is_kept_once_in_a_while_and_shown_to_managers(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_ins, "SEEN_EVERY", timedelta(hours=1))
    client, manager = client_of("Support"), client_of("Manager")
    user = User.objects.get(username="Support")
    began = timezone.now() - timedelta(hours=2)
    SignIn.objects.filter(user=user).update(began_at=began, seen_at=began)
    assert is_in(client)
    seen = SignIn.objects.get(user=user).seen_at
    assert seen > began + timedelta(hours=1)
    assert is_in(client)
    assert SignIn.objects.get(user=user).seen_at == seen, "not with every page"
    page = text_of(manager.get(f"/admin/staff/{user.pk}/change/"))
    assert re.search(rf"{began:%Y-%m-%d %H:%M:%S} UTC (just now|\d+ minutes? ago)", page)
    assert "Support" in text_of(manager.get("/admin/staff/"))


def test_what_is_asked_about_sessions_is_covered_by_an_index_and_mongod_deletes_old_ones(
    database: Database[Document], settings: Settings
) -> None:
    settings.STAFF_SIGN_INS_DAYS = 7
    client = client_of("Manager")
    user = staff("Support")
    own = database["staff_sign_ins"].find_one({})
    assert own is not None
    assert timedelta(days=6) < own["kept_until"] - own["began_at"] < timedelta(days=8)
    [ttl] = [index for index in database["staff_sign_ins"].list_indexes() if "expireAfterSeconds" in index]
    assert (ttl["key"], ttl["expireAfterSeconds"]) == ({"kept_until": 1}, 0)
    many = [own | {"user_id": user.pk if number < 30 else None} for number in range(2000)]
    for each in many:
        del each["_id"]
    database["staff_sign_ins"].insert_many(many)
    with profiled(database) as done:
        for path in (SECURITY, f"/admin/staff/{user.pk}/change/"):
            assert client.get(path).status_code == 200
        client.post(f"/admin/staff/{user.pk}/act/", {"act": "end_sessions"})
    asked = [each for each in done if each["ns"].endswith((".staff_sign_ins", ".django_admin_log"))]
    assert len(asked) >= 6
    for each in asked:
        assert each["planSummary"].split(" ")[0] in ("IXSCAN", "IDHACK", "EXPRESS_IXSCAN"), each
        assert each.get("docsExamined", 0) <= 31, each
    assert not sign_ins.open_ones(user).exists()


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 "
         "Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1",
         "Safari on iPhone"),
        ("curl/8.0", ""),
    ],
)  # fmt: skip
def test_browsers_are_told_roughly(agent: str, told: str) -> None:
    assert sign_ins.browser_of(agent) == told


# --- a log-in that fails ---------------------------------------------------------------------------------------------


class CountedHasher(MD5PasswordHasher):
    """Counts how often a password is hashed."""

    times = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).times += 1
        return super().encode(password, salt)


def test_a_log_in_that_fails_says_what_may_be_wrong_and_takes_the_same_work_whoever_it_is(
    database: Database[Document], settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]
    User.objects.create_user("staff", password=PASSWORD, is_staff=True)
    User.objects.create_user("off", password=PASSWORD, is_staff=True, is_active=False)
    User.objects.create_user("customer", password=PASSWORD)
    User.objects.create_user("invited", is_staff=True)
    tries = {"nobody": PASSWORD, "staff": "wrong", "off": PASSWORD, "customer": PASSWORD, "invited": PASSWORD}
    found = {}
    for name, password in tries.items():
        CountedHasher.times = 0
        client, answer = log_in(name, password)
        assert not is_in(client)
        body = re.sub(r'(csrfmiddlewaretoken" )?value="[^"]*"', "", answer.content.decode())
        found[name] = (answer.status_code, CountedHasher.times, body)
    assert {status for status, _, _ in found.values()} == {200}
    assert {times for _, times, _ in found.values()} == {1}
    assert len({body for _, _, body in found.values()}) == 1
    assert (
        "The user name or the password is wrong, or the account is switched off. After too many tries, log-in is "
        "locked for 15 minutes."
    ) in text_of(answer)
