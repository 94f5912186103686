"""No secret is ever written down: not in a log at DEBUG, not in an answer, not in what a refused start says."""

import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import timezone
from django.views.debug import ExceptionReporter, technical_500_response
from pytest_django import Settings
from rest_framework.request import Request

from integrations import peer_requests
from integrations.sandbox import Sandbox
from orders.api.authentication import BearerAuthentication
from orders.services import access, service_tokens
from orders_project.web.error_reports import SecretsFilter
from tests.api_client import token
from tests.functional.admin_helpers import PASSWORD, Browser, staff
from tests.functional.helpers import TWO_TOWELS, Api, Documents
from tests.functional.test_security_headers import run
from tests.unit.test_settings import PRODUCTION, refusal

PEER_PASSWORD = "peer-pa55word"
KEY = "jwt-key-0123456789-0123456789-0123456789"


@contextmanager
def listening() -> Iterator[list[str]]:
    """All that is logged meanwhile at DEBUG, with its traces."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    root, ear = logging.getLogger(), Ear()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(ear)
    try:
        logging.getLogger("orders").debug("I am heard")
        yield said
    finally:
        root.removeHandler(ear)
        root.setLevel(level)
    assert said[0] == "I am heard"


def expect_none(secrets: dict[str, str], said: list[str]) -> None:
    text = "\n".join(said)
    assert text
    assert [name for name, secret in secrets.items() if secret in text] == []


def test_requests_of_storefronts_leave_no_token_and_no_key(api: Api, sandbox: Sandbox, settings: Settings) -> None:
    settings.JWT_SHARED_KEY = KEY
    good, expired = token("1", key=KEY), token("1", key=KEY, exp=int(time.time()) - 99)
    forged, odd = token("1", key="another-" * 6), "gar.bage.t0ken-9f8e7d6c"
    answers = []
    with listening() as said:
        for bearer in (good, expired, forged, odd, f"{odd} and more"):
            client = api(token=bearer)
            answers += [client.place(TWO_TOWELS, key="a-key").text, client.get("orders/").text]
        settings.USER_SERVICE_URL = f"http://orders:{PEER_PASSWORD}@127.0.0.1:1/api/v1"
        settings.INVENTORY_SERVICE_URL = settings.USER_SERVICE_URL
        peer_requests.reset()
        refused = api(token=good).place(TWO_TOWELS)
        assert refused.status_code == 503
    assert any("127.0.0.1" in line for line in said), "the failing peer was logged"
    secrets = {"good": good, "expired": expired, "forged": forged, "odd": odd}
    secrets |= {"key": KEY, "django's key": settings.SECRET_KEY, "peer": PEER_PASSWORD}
    expect_none(secrets, [*said, *answers, refused.text])


def test_services_and_those_who_give_them_tokens_leave_none(
    api: Api, live_server_url: str, database: Documents, settings: Settings
) -> None:
    settings.DEBUG = False
    made: Any = service_tokens.create(
        name="payments", scopes=["pay_order"], actor=access.system("jane", via="command"), at=timezone.now()
    )
    secret = made.secret[29:]
    with listening() as said, Browser(live_server_url) as browser:
        bearers = (made.secret, f"{made.secret[:-1]}!", f"{made.secret[:-1]}A")
        answers = [api(token=bearer).get("orders/").text for bearer in bearers]
        staff("Manager")
        browser.log_in("Manager")
        form = browser.get("/admin/orders/servicetoken/add/")
        given = {"name": "erp", "scopes": "read_orders", "csrfmiddlewaretoken": browser.csrf_token(form)}
        page = browser.post("/admin/orders/servicetoken/add/", data=given)
        shown = re.search(r"ost_[0-9a-f]{24}_([A-Za-z0-9_-]{43})", page.text)
        assert shown
        answers += [browser.get(path).text for path in ("/admin/orders/servicetoken/", "/admin/")]
        service_tokens.revoke(made.token.pk, actor=access.system("jane", via="command"), at=timezone.now())
        answers.append(api(token=made.secret).get("orders/").text)
    kept = [str(list(database[name].find())) for name in database.list_collection_names()]
    secrets = {"token": secret[:-1], "that of a page": shown[1], "hash": made.token.digest}
    assert any("service token" in line for line in said)
    expect_none(secrets, said + answers)
    expect_none({name: secrets[name] for name in ("token", "that of a page")}, kept)


def test_an_error_while_a_token_is_checked_is_reported_without_it(
    rf: RequestFactory, database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orders.storage.service_tokens.find", fails)
    request = rf.get("/api/v1/orders/", headers={"Authorization": f"Bearer ost_{'0' * 24}_{'s3cret' * 7}x"})
    try:
        BearerAuthentication().authenticate(Request(request))
    except ZeroDivisionError:
        report = ExceptionReporter(request, *sys.exc_info()).get_traceback_html()
    assert "caller_with" in report
    variables = "".join(re.findall(r'(?s)<table class="vars".*?</table>', report))
    assert "header" in variables
    expect_none({"token": "s3crets3cret"}, [variables])


def test_staff_at_work_leave_no_password_and_no_session(
    live_server_url: str, database: Documents, settings: Settings
) -> None:
    with listening() as said, Browser(live_server_url) as browser:
        staff("Support")
        answers = [
            browser.log_in("Support", password="wrong-pa55word"),
            *(browser.get(path) for path in ("/admin/", "/admin/orders/order/", "/admin/nowhere/")),
            browser.log_in("Support"),
            *(browser.get(path) for path in ("/admin/", "/admin/orders/order/", "/admin/nowhere/")),
        ]
        session = browser.cookies["sessionid"]
        kept = [str(attempt) for attempt in database["axes_accessattempt"].find()]
    secrets = {"password": PASSWORD, "wrong one": "wrong-pa55word", "session": session}
    secrets |= {"hash": User.objects.get(username="Support").password, "django's key": settings.SECRET_KEY}
    assert any("AXES" in line for line in said)
    expect_none(secrets, said + kept + [answer.text for answer in answers])


def test_a_developers_error_page_shows_no_secret(settings: Settings, database: Documents) -> None:
    settings.DEBUG = True
    settings.JWT_SHARED_KEY = KEY
    settings.MONGODB_URI = f"mongodb://orders:{PEER_PASSWORD}@127.0.0.1:1/"
    settings.USER_SERVICE_URL = f"http://orders:{PEER_PASSWORD}@127.0.0.1:1/api/v1"
    request = RequestFactory().get("/", headers={"Authorization": "Bearer t0ken-9f8e7d6c"})
    request.COOKIES["sessionid"] = request.COOKIES["__Host-sessionid"] = "s3ssion-1a2b3c"
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        page = technical_500_response(request, *sys.exc_info()).content.decode()
    settings_shown = str(SecretsFilter().get_safe_settings())
    assert "ZeroDivisionError" in page
    # The frames show this test's own text, which has them all; what is shown of the request and the settings has not.
    shown = page[page.index('id="requestinfo"') :]
    secrets = {"token": "t0ken-9f8e7d6c", "session": "s3ssion-1a2b3c", "peer": PEER_PASSWORD, "key": KEY}
    expect_none(secrets | {"django's key": settings.SECRET_KEY}, [shown, settings_shown])


STARTS: dict[str, dict[str, str]] = {
    "a password that is not percent-encoded": {"MONGODB_URI": "mongodb://orders:pa5/s3cret@db/?replicaSet=rs0"},
    "a port that is a part of it": {"MONGODB_URI": "mongodb://db:s3cret/"},
    "another scheme": {"MONGODB_URI": "mongo://orders:s3cret@db/"},
    "no primary": {"MONGODB_URI": "mongodb://orders:s3cret@db/?readPreference=nearest&w=1"},
    "a peer without a scheme": {"USER_SERVICE_URL": "orders:s3cret@users/api"},
    "a peer with a bad port": {"INVENTORY_SERVICE_URL": "http://orders:s3cret@users:port/api"},
    "key sets": {"JWT_JWKS_URL": "ftp://orders:s3cret@users/keys"},
    "short keys": {"SECRET_KEY": "s3cret-short", "JWT_SHARED_KEY": "s3cret-too"},
    "placeholders": {"SECRET_KEY": "s3cret-change-me-s3cret-change-me-s3cret", "JWT_SHARED_KEY": "changeme-s3cret"},
}


@pytest.mark.parametrize("start", STARTS)
def test_a_start_that_is_refused_names_the_setting_and_not_its_value(start: str) -> None:
    said = refusal(**(PRODUCTION | STARTS[start]))
    assert all(name in said for name in STARTS[start])
    expect_none({"secret": "s3cret"}, [said])


def test_nor_does_its_trace() -> None:
    given = {name: value for start in STARTS.values() for name, value in start.items()}
    refused = run("manage.py", "check", **given)
    assert refused.returncode != 0
    assert all(name in refused.stderr for name in given)
    expect_none({"secret": "s3cret"}, [refused.stdout, refused.stderr])


def test_a_command_without_its_database_does_not_print_the_address() -> None:
    given: dict[str, Any] = {"MONGODB_URI": "mongodb://orders:s3cret@127.0.0.1:1/", "MONGODB_TIMEOUT_MS": "300"}
    failed = run("manage.py", "purge_old_records", "--drafts-older-than", "30d", **given)
    assert failed.returncode != 0
    expect_none({"secret": "s3cret"}, [failed.stdout, failed.stderr])
