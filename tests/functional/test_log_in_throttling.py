"""Guessing staff's passwords: locked after a few failures, for the guesser alone, and not for ever."""

import io
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pymongo.database import Database
from pytest_django import Settings

from orders_project.log_ins import LogInHandler
from tests.functional.admin_helpers import PASSWORD, profiled, staff, text_of
from tests.functional.helpers import at_once

Documents = Database[dict[str, Any]]
ATTEMPTS = "axes_accessattempt"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture(autouse=True)
def limits(settings: Settings, database: Documents) -> None:
    settings.AXES_FAILURE_LIMIT, settings.LOG_IN_FAILURES_PER_ADDRESS = 3, 6
    settings.AXES_COOLOFF_TIME, settings.LOG_IN_COOL_OFF = timedelta(minutes=15), 900
    staff("Support")


def log_in(password: str, *, name: str = "Support", address: str = HERE, **headers: str) -> HttpResponse:
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post(reverse("admin:login"), form, headers=headers)


def is_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 and "sessionid" in answer.cookies


def fail(times: int, **how: Any) -> HttpResponse:
    for _ in range(times):
        answer = log_in("wrong", **how)
    return answer


def test_after_too_many_failures_a_page_says_how_long_to_wait_and_no_password_is_looked_at() -> None:
    assert fail(2).status_code == 200
    locked = fail(1)
    right = log_in(PASSWORD)
    for answer in (locked, right):
        assert answer.status_code == 429
        assert 880 < int(answer["Retry-After"]) <= 900
        assert "Try again in 15 minutes." in text_of(answer)
        assert "unfold" in answer.content.decode(), "it looks like the rest of the backoffice"
        assert not is_in(answer)


def test_the_same_person_elsewhere_and_others_here_still_get_in() -> None:
    staff("Finance")
    fail(3)
    assert is_in(log_in(PASSWORD, address=ELSEWHERE)), "nobody can lock staff out from elsewhere"
    assert is_in(log_in(PASSWORD, name="Finance"))


def test_another_user_agent_does_not_help() -> None:
    for number in range(3):
        answer = log_in("wrong", user_agent=f"Browser/{number}")
    assert answer.status_code == 429


def test_who_tries_many_names_is_locked_by_address() -> None:
    for number in range(6):
        answer = log_in("wrong", name=f"staff-{number}")
    assert answer.status_code == 429
    assert log_in(PASSWORD).status_code == 429
    assert is_in(log_in(PASSWORD, address=ELSEWHERE))


def test_a_success_forgets_ones_own_failures_but_not_those_of_the_address() -> None:
    fail(2)
    assert is_in(log_in(PASSWORD))
    assert fail(2).status_code == 200
    assert is_in(log_in(PASSWORD))
    for number in range(5):
        log_in("wrong", name=f"staff-{number}")
    assert is_in(log_in(PASSWORD))
    assert log_in("wrong", name="staff-6").status_code == 429, "a login of one's own is no way round the limit"


def test_it_ends_by_itself_and_trying_meanwhile_does_not_prolong_it(database: Documents) -> None:
    fail(3)
    before = database[ATTEMPTS].find_one({})
    fail(2)
    assert database[ATTEMPTS].find_one({}) == before
    pass_time(database, 14)
    assert log_in(PASSWORD).status_code == 429
    assert 50 < int(log_in(PASSWORD)["Retry-After"]) <= 60
    assert "Try again in 1 minute." in text_of(log_in(PASSWORD))
    pass_time(database, 2)
    assert fail(1).status_code == 200, "what has cooled off does not count with the next failure"
    assert is_in(log_in(PASSWORD))


def test_of_many_passwords_at_once_no_more_are_looked_at_than_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    together = threading.Barrier(8)
    allowed = LogInHandler.is_allowed

    def look(self: ModelBackend, request: object, username: str | None = None, password: str = "", **_: object) -> None:
        looked.append(password)
        time.sleep(0.5)  # as long as a real hash takes: all others come meanwhile

    def at_the_same_time(*arguments: Any) -> bool:
        together.wait(timeout=60)
        return allowed(*arguments)

    def guess(number: int) -> int:
        try:
            return log_in(f"guess-{number}").status_code
        finally:
            connections.close_all()

    monkeypatch.setattr(ModelBackend, "authenticate", look)
    monkeypatch.setattr(LogInHandler, "is_allowed", at_the_same_time)
    statuses = at_once(8, guess)
    assert len(looked) == 3
    assert statuses.count(429) >= 5
    monkeypatch.undo()
    assert log_in(PASSWORD).status_code == 429


def test_who_logs_in_often_is_not_counted(database: Documents) -> None:
    for _ in range(8):
        assert is_in(log_in(PASSWORD))
    for _ in range(4):
        assert fail(2).status_code == 200
        assert is_in(log_in(PASSWORD))


def test_an_ipv6_network_of_a_whole_site_has_four_times_as_many(database: Documents) -> None:
    for number in range(4 * 6):
        assert log_in("wrong", name=f"staff-{number}", address=f"2001:db8:1:{number}::1").status_code == 200
    locked = log_in(PASSWORD, address="2001:db8:1:ffff::1")
    assert locked.status_code == 429
    assert int(locked["Retry-After"]) > 1
    assert is_in(log_in(PASSWORD, address="2001:db8:2::1"))


# --- a session that somebody took over -------------------------------------------------------------------------------

NEW = "another battery staple"


def session(address: str = HERE) -> Client:
    client = Client(REMOTE_ADDR=address)
    client.force_login(User.objects.get(username="Support"))
    return client


def change(client: Client, old: str, new: str = NEW, again: str = NEW) -> HttpResponse:
    form = {"old_password": old, "new_password1": new, "new_password2": again}
    return client.post(reverse("admin:password_change"), form)


def has_password(password: str) -> bool:
    return User.objects.get(username="Support").check_password(password)


def test_wrong_old_passwords_are_counted_with_failed_log_ins_and_lock_both(database: Documents) -> None:
    client = session()
    assert fail(1).status_code == 200
    wrong = change(client, "wrong")
    assert wrong.status_code == 200
    assert "Your old password was entered incorrectly" in text_of(wrong)
    locked = change(client, "wrong")
    for answer in (locked, change(client, PASSWORD), log_in(PASSWORD)):
        assert answer.status_code == 429
        assert 880 < int(answer["Retry-After"]) <= 900
    assert has_password(PASSWORD)
    assert client.get(reverse("admin:index")).status_code == 200, "who is in stays in"
    assert is_in(log_in(PASSWORD, address=ELSEWHERE)), "the owner, elsewhere"
    assert change(session(ELSEWHERE), PASSWORD).status_code == 302
    assert has_password(NEW)


def test_a_right_old_password_counts_for_nothing_and_forgets_ones_failures(database: Documents) -> None:
    client = session()
    for number in range(4):
        assert change(client, "wrong").status_code == change(client, "wrong").status_code == 200
        done = change(client, PASSWORD, again=f"{NEW}{number}")
        assert done.status_code == 200
        assert "didn’t match" in text_of(done)
        assert has_password(PASSWORD)
    assert database[ATTEMPTS].count_documents({}) == 0
    assert change(client, PASSWORD).status_code == 302
    assert has_password(NEW)
    assert client.get(reverse("admin:index")).status_code == 200


def test_of_many_old_passwords_at_once_no_more_are_looked_at_than_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    clients, looked = [session() for _ in range(8)], []

    def look(self: ModelBackend, request: object, username: str | None = None, password: str = "", **_: object) -> None:
        looked.append(password)
        time.sleep(0.5)

    def guess(number: int) -> int:
        try:
            return change(clients[number], f"guess-{number}").status_code
        finally:
            connections.close_all()

    monkeypatch.setattr(ModelBackend, "authenticate", look)
    statuses = at_once(8, guess)
    assert len(looked) <= 3
    assert statuses.count(429) >= 5


def test_no_password_of_a_change_is_kept(database: Documents) -> None:
    change(session(), "old-hunter2", "new-hunter2", "again-hunter2")
    [kept] = database[ATTEMPTS].find()
    assert "hunter2" not in str(kept)
    assert (kept["username"], kept["ip_address"]) == ("Support", HERE)


def test_operators_unlock_a_name_an_address_or_all() -> None:
    for unlock in (["axes_reset_username", "Support"], ["axes_reset_ip", HERE], ["axes_reset"]):
        assert fail(3).status_code == 429
        call_command(*unlock, stdout=io.StringIO())
        assert is_in(log_in(PASSWORD)), unlock


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(settings: Settings) -> None:
    for number in range(3):
        answer = log_in("wrong", **{"X-Forwarded-For": f"203.0.113.{number}"})
    assert answer.status_code == 429, "nobody gets out of it by a header"
    settings.TRUSTED_PROXIES = 1
    assert is_in(log_in(PASSWORD, **{"X-Forwarded-For": "203.0.113.9"})), "another client of the same proxy"
    for number in range(3):
        answer = log_in("wrong", **{"X-Forwarded-For": f"203.0.113.{number}, 203.0.113.9"})
    assert answer.status_code == 429, "what the client wrote in front is not believed"


def test_no_password_and_no_token_of_a_form_is_kept(database: Documents) -> None:
    Client(REMOTE_ADDR=HERE).post(
        reverse("admin:login"), {"username": "Support", "password": "hunter2", "csrfmiddlewaretoken": "tok3n"}
    )
    [kept] = database[ATTEMPTS].find()
    assert "hunter2" not in str(kept)
    assert "tok3n" not in str(kept)
    assert kept["ip_address"] == HERE


def test_every_query_of_a_log_in_is_covered_by_an_index(database: Documents) -> None:
    database[ATTEMPTS].insert_many([attempt(number) for number in range(500)])
    with profiled(database) as done:
        fail(4)
        assert is_in(log_in(PASSWORD, address=ELSEWHERE))
        call_command("axes_reset_username", "Support", stdout=io.StringIO())
    asked = [each for each in done if each["ns"].endswith(ATTEMPTS)]
    assert len(asked) > 10
    assert {each["planSummary"].split(" ")[0] for each in asked} <= {"IXSCAN", "IDHACK"}
    assert max(each.get("docsExamined", 0) for each in asked) <= 3


def test_mongod_clears_away_what_is_old(database: Documents) -> None:
    [ttl] = [index for index in database[ATTEMPTS].list_indexes() if "expireAfterSeconds" in index]
    assert ttl["key"] == {"attempt_time": 1}
    assert ttl["expireAfterSeconds"] == 24 * 3600


def attempt(number: int) -> dict[str, Any]:
    return {
        "username": f"somebody-{number}",
        "ip_address": f"203.0.113.{number % 250}",
        "user_agent": "Browser",
        "attempt_time": datetime.now(UTC) - timedelta(minutes=1),
        "failures_since_start": 1,
    }


def pass_time(database: Documents, minutes: int) -> None:
    for kept in database[ATTEMPTS].find():
        earlier = kept["attempt_time"] - timedelta(minutes=minutes)
        database[ATTEMPTS].update_one({"_id": kept["_id"]}, {"$set": {"attempt_time": earlier}})
    database["rate_limits"].update_many({}, {"$inc": {"full_at": -minutes * 60_000.0}})
