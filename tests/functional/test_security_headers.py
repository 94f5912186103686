"""What browsers are told, the cookies that log people in, and production settings that pass Django's inspection."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from django.test import Client
from django.urls import reverse
from pymongo import MongoClient
from pytest_django import Settings

from devtools.child_processes import Child
from devtools.localhost import HOST, free_port
from devtools.mongod import find_mongod, frugal_options
from orders_project import checks
from orders_project.web import response_headers
from tests.factories import OrderFactory
from tests.functional.admin_helpers import client_of, page
from tests.functional.helpers import Api, Documents, visitor_fixture  # noqa: F401
from tests.unit.test_settings import PRODUCTION, ROOT

KEY = "3c9a1d7e5a48269b0c4d1e8f7a6b52c30f3b"
JSON = ["orders/", f"orders/{'0' * 24}", "nowhere", "openapi.json"]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own under production settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    module = {"DJANGO_SETTINGS_MODULE": "orders_project.settings.production"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", *command], env=kept | module | PRODUCTION | environment,
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def inspect(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("manage.py", "check", *options, **environment)


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", JSON)
def test_an_answer_of_the_api_may_load_and_run_nothing(visitor: Api, path: str) -> None:
    answer = visitor().get(path)
    assert answer.headers["Content-Security-Policy"] == response_headers.NOTHING
    expect_everywhere(answer.headers)


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/nowhere", "/"])
def test_so_may_what_is_no_page_of_the_backoffice(live_server_url: str, path: str) -> None:
    answer = requests.get(f"{live_server_url}{path}", timeout=60, proxies={"http": ""})
    assert answer.headers["Content-Security-Policy"] == response_headers.NOTHING
    assert answer.headers["Permissions-Policy"] == response_headers.PERMISSIONS


def test_pages_of_the_backoffice_run_our_files_only(database: Documents) -> None:
    order = OrderFactory()
    client = client_of("Support")
    login, nowhere = reverse("admin:login"), f"{reverse('admin:index')}nowhere/"
    for address in (reverse("admin:index"), page({"_id": order.pk}), login, nowhere):
        answer = (Client() if address == login else client).get(address)
        policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self' 'unsafe-eval'", "no script in a page, none from elsewhere"
        assert policy["form-action"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        expect_everywhere(answer.headers)
        inline = re.findall(rb"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=\"", answer.content)
        assert [found for found in inline if b"application/json" not in found] == []


def test_the_pages_that_show_the_api_need_no_script_of_their_own(visitor: Api) -> None:
    for path, policy in (("docs", response_headers.SWAGGER), ("redoc", response_headers.REDOC)):
        answer = visitor().get(path)
        assert answer.headers["Content-Security-Policy"] == policy
        assert "unsafe-eval" not in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)


def test_a_developers_error_page_may_bring_its_scripts(client: Client, settings: Settings) -> None:
    settings.DEBUG = True
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "Content-Security-Policy" not in answer.headers
    assert "Content-Security-Policy" in client.get("/health").headers


def test_refusals_before_any_view_say_what_every_answer_says(client: Client, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    settings.SECURE_HSTS_SECONDS = 3600
    told = {"Origin": "https://shop.example"}
    for kind in ("application/json; charset=hex", "text/plain; a*=x'y'z"):
        answer = client.generic("POST", f"{settings.API_PREFIX}/orders/", b"{}", kind, secure=True, headers=told)
        assert answer.status_code == 415
        assert answer["Access-Control-Allow-Origin"] == "https://shop.example"
        assert answer["Strict-Transport-Security"] == "max-age=3600"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == response_headers.NOTHING
    endless = told | {"Transfer-Encoding": "chunked"}
    answer = client.generic("POST", f"{settings.API_PREFIX}/orders/", "", "application/json", headers=endless)
    assert answer.status_code == 411
    assert answer["Access-Control-Allow-Origin"] == "https://shop.example"


def expect_everywhere(headers: object) -> None:
    assert headers["X-Content-Type-Options"] == "nosniff"  # type: ignore[index]
    assert headers["X-Frame-Options"] == "DENY"  # type: ignore[index]
    assert headers["Referrer-Policy"] == "same-origin"  # type: ignore[index]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"  # type: ignore[index]
    assert "camera=()" in headers["Permissions-Policy"]  # type: ignore[index]


# --- cookies and addresses -------------------------------------------------------------------------------------------


def test_cookies_are_kept_from_scripts_and_other_sites_and_end_with_the_day(database: Documents) -> None:
    client_of("Support")
    client = Client()
    answer = client.post(
        reverse("admin:login"), {"username": "Support", "password": "correct horse battery staple", "next": "/"}
    )
    session, csrf = answer.cookies["sessionid"], answer.cookies["csrftoken"]
    assert 11 * 3600 < session["max-age"] <= 12 * 3600
    for cookie in (session, csrf):
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert not cookie["domain"]


IN_PRODUCTION = """
import django; django.setup()
from django.conf import settings
from django.test import Client
from django.urls import reverse
settings.ALLOWED_HOSTS.append("testserver")
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
plain = Client().get("/health/../nowhere", headers={"X-Forwarded-Proto": "http"})
print(plain.status_code, plain["Location"])
answer = Client().get(reverse("admin:login"), headers={"X-Forwarded-Proto": "https"})
print(answer.status_code, reverse("admin:login"), answer["Strict-Transport-Security"])
print(answer.cookies.output())
print(settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE, settings.TRUSTED_PROXIES)
print(Client().get("/admin/login/", headers={"X-Forwarded-Proto": "https"}).status_code)
"""


def test_production_insists_on_tls_with_cookies_for_this_host_alone_at_any_admin_path() -> None:
    started = run("-c", IN_PRODUCTION, ADMIN_PATH="/back-office/desk/")
    assert started.returncode == 0, started.stderr
    plain, login, cookies, session, old = started.stdout.splitlines()
    assert plain.startswith("301 https://")
    assert login == "200 /back-office/desk/login/ max-age=31536000; includeSubDomains; preload"
    assert cookies.startswith("Set-Cookie: __Host-csrftoken=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in cookies
    assert "Domain" not in cookies
    assert session == "__Host-sessionid True 1"
    assert old == "404"


def test_no_page_knows_the_admin_path_by_heart() -> None:
    for folder in ("orders", "orders_project", "templates"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in {".py", ".html", ".js"} and "migrations" not in file.parts:
                for line in file.read_text().splitlines():
                    assert not re.search(r"[\"'}]/admin/", line), f"{file}: {line}"


# --- the inspection --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployed(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a deployment to which nothing is to be said; its static files are collected."""
    folder = tmp_path_factory.mktemp("deployed")
    environment = at_static_root(folder) | {"MONGODB_URI": mongo_uri, "JWT_SHARED_KEY": KEY}
    collected = run("manage.py", "collectstatic", "--noinput", "-v0", **environment)
    assert collected.returncode == 0, collected.stderr
    return environment


def at_static_root(folder: Path) -> dict[str, str]:
    """Production settings whose static files are in a folder of their own."""
    lines = f"from orders_project.settings.production import *\nSTATIC_ROOT = {str(folder / 'files')!r}\n"
    (folder / "production_elsewhere.py").write_text(lines)
    return {"DJANGO_SETTINGS_MODULE": "production_elsewhere", "PYTHONPATH": str(folder)}


def test_a_deployment_as_it_should_be_passes_every_check(deployed: dict[str, str]) -> None:
    found = inspect("--deploy", "--fail-level", "WARNING", **deployed)
    assert found.returncode == 0, found.stderr
    assert "no issues" in found.stdout


@pytest.mark.parametrize(
    ("unwise", "warnings"),
    [
        (
            {
                "JWT_SHARED_KEY": "", "TRUSTED_PROXIES": "0", "RATE_LIMIT_WRITES": "0", "METRICS_HOST": "::",
                "REQUEST_DEADLINE": "18", "ALLOWED_HOSTS": "orders.example,*", "CORS_ALLOWED_ORIGINS": "*",
                "SECURE_SSL_REDIRECT": "false", "SECURE_COOKIES": "false",
            },
            {
                *(f"orders.W{number:03}" for number in (1, 2, 3, 4, 5, 9, 10)),
                *("security.W008", "security.W012", "security.W016"),
            },
        ),
        (
            {
                "SECRET_KEY": "0123456" * 8, "JWT_SHARED_KEY": "0123456" * 8,
                "JWT_JWKS_URL": "http://users.example/jwks.json",
            },
            {"orders.W006", "orders.W007", "orders.W008"},
        ),
    ],
    ids=["everything", "the keys of tokens"],
)  # fmt: skip
@pytest.mark.slow
def test_what_is_allowed_but_unwise_is_said(
    deployed: dict[str, str], unwise: dict[str, str], warnings: set[str]
) -> None:
    found = inspect("--deploy", "--fail-level", "WARNING", **(deployed | unwise))
    assert found.returncode != 0
    assert set(re.findall(r"\((\w+\.[EW]\d+)\)", found.stderr)) == warnings


def test_each_of_our_own_checks_sees_the_settings_as_they_are(settings: Settings) -> None:
    settings.JWT_SHARED_KEY, settings.SECURE_PROXY_SSL_HEADER, settings.TRUSTED_PROXIES = KEY, None, 0
    settings.ALLOWED_HOSTS = ["orders.example", ".orders.example"]
    assert said() == []
    settings.JWT_SHARED_KEY = settings.JWT_JWKS_URL = ""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.RATE_LIMIT_REFUSED_TOKENS = 0
    settings.METRICS_HOST = "::"
    settings.REQUEST_DEADLINE, settings.DATABASE_DEADLINE = 10.0, 12.9
    assert said() == [1, 2, 3, 4, 5]
    settings.METRICS_TOKEN, settings.DATABASE_DEADLINE = KEY, 13.0
    assert said() == [1, 2, 3]
    settings.ALLOWED_HOSTS, settings.CORS_ALLOW_ALL_ORIGINS = ["*"], True
    assert said() == [1, 2, 3, 9, 10]


@pytest.mark.parametrize(
    ("key", "warnings"),
    [
        (KEY, []),
        ("32109876" * 4, []),
        ("3210987" * 5, [7]),
        (KEY[:31], [7]),
        (f"change-me-{KEY}", [7]),
        ("the secret of now, of 32 characters", [6, 7]),
        ("a former one, of 32 characters or more", [6]),
    ],
)
def test_a_key_of_tokens_is_random_and_no_other_secret(settings: Settings, key: str, warnings: list[int]) -> None:
    settings.ALLOWED_HOSTS = ["orders.example"]
    settings.SECRET_KEY = "the secret of now, of 32 characters"
    settings.SECRET_KEY_FALLBACKS = ["a former one, of 32 characters or more"]
    settings.JWT_SHARED_KEY = key
    assert said() == warnings


@pytest.mark.parametrize(
    ("address", "warnings"),
    [
        ("https://users.example/jwks.json", []),
        ("http://127.0.0.1:8000/jwks.json", []),
        ("http://[::1]:8000/jwks.json", []),
        ("http://localhost/jwks.json", []),
        ("http://users.example/jwks.json", [8]),
        ("http://localhost.users.example/jwks.json", [8]),
        ("http://10.0.0.7/jwks.json", [8]),
    ],
)
def test_a_key_set_comes_over_tls_or_from_this_machine(settings: Settings, address: str, warnings: list[int]) -> None:
    settings.ALLOWED_HOSTS = ["orders.example"]
    settings.JWT_JWKS_URL = address
    assert said() == warnings


def said() -> list[int]:
    """The numbers of our own warnings about the settings."""
    return sorted(int(str(found.id).removeprefix("orders.W")) for found in checks.check(None))


@pytest.mark.slow
def test_static_files_that_are_not_collected_are_said(deployed: dict[str, str], tmp_path: Path) -> None:
    found = inspect("--deploy", "--fail-level", "WARNING", **(deployed | at_static_root(tmp_path)))
    assert found.returncode != 0
    assert "orders.W013" in found.stderr
    assert str(tmp_path) in found.stderr


def test_where_static_files_need_not_be_collected_nothing_is_said(settings: Settings) -> None:
    assert "Manifest" not in settings.STORAGES["staticfiles"]["BACKEND"]
    assert checks.check_static_files(None) == []


@pytest.mark.slow
def test_a_database_that_is_no_replica_set_is_said(deployed: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    command = [str(find_mongod()), "--dbpath", str(tmp_path), "--bind_ip", HOST, "--port", str(port)]
    alone = Child("mongod", [*command, *frugal_options(0.25)], log=tmp_path / "mongod.log").start(dict(os.environ))
    try:
        uri = f"mongodb://{HOST}:{port}/"
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=60_000) as client:
            client.admin.command("ping")
        found = inspect("--deploy", "--fail-level", "WARNING", **(deployed | {"MONGODB_URI": uri}))
    finally:
        alone.stop()
    assert found.returncode != 0
    assert "orders.W011" in found.stderr


@pytest.mark.slow
def test_a_database_that_does_not_answer_is_said_soon(deployed: dict[str, str]) -> None:
    def inspected(options: str) -> subprocess.CompletedProcess[str]:
        uri = f"mongodb://orders:hidden-word@{HOST}:{free_port()}/{options}"
        return inspect("--deploy", "--fail-level", "WARNING", **(deployed | {"MONGODB_URI": uri}))

    began = time.monotonic()
    with ThreadPoolExecutor() as threads:
        both = list(threads.map(inspected, ("?directConnection=true", "?replicaSet=rs0")))
    assert time.monotonic() - began < 30, "the check itself waits for 3 s"
    for found in both:
        assert found.returncode != 0
        assert "orders.W012" in found.stderr
        assert "Traceback" not in found.stderr
        assert "hidden-word" not in found.stderr


@pytest.mark.slow
def test_without_deploy_nobody_asks_the_database(deployed: dict[str, str]) -> None:
    found = inspect(**(deployed | {"MONGODB_URI": f"mongodb://{HOST}:{free_port()}/"}))
    assert found.returncode == 0, found.stderr
