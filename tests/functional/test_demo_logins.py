"""Demo logins do not get into production: `check --deploy` and the web server's start refuse a database with them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from pymongo.database import Database
from pytest_django import Settings

from devtools import demo_data
from devtools.localhost import ROOT, free_port
from orders_project import demo_logins
from tests.functional.observed_service import eventually
from tests.functional.test_real_systems import uri

Document = dict[str, Any]
SAFE = {
    "DJANGO_SETTINGS_MODULE": "orders_project.settings.production",
    "SECRET_KEY": "f2b7c9d1e5a48269b0c4d1e8f7a6b52c3d4e5f60",
    "ALLOWED_HOSTS": "127.0.0.1",
    "WEB_CONCURRENCY": "1",
    "SECURE_SSL_REDIRECT": "false",
    **{f"{peer}_SERVICE_URL": "http://127.0.0.1:9/api/v1" for peer in ("USER", "PRODUCT", "INVENTORY")},
}


class QuickHasher(PBKDF2PasswordHasher):
    """Production's own, of which each password says how often it was gone round."""

    iterations = 1000


@pytest.fixture
def environment(database: Database[Document], settings: Settings) -> dict[str, str]:
    """That of a deployment on the test database, whose passwords are kept as they are in production."""
    settings.PASSWORD_HASHERS = [f"{__name__}.QuickHasher"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("MONGODB_", "JWT_"))}
    return bare | SAFE | {"MONGODB_URI": uri(database.client), "MONGODB_DB": database.name, "PORT": str(free_port())}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "gunicorn.log"


class Web:
    """gunicorn, as it is started in production."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.address, self.log = f"http://127.0.0.1:{environment['PORT']}", log
        with log.open("w") as file:
            command = [sys.executable, "-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf"]
            self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

    def await_answer(self, path: str) -> requests.Response:
        def answer() -> list[requests.Response]:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(requests.ConnectionError):
                return [requests.get(f"{self.address}{path}", timeout=30)]
            return []

        found: list[requests.Response] = eventually(answer)
        return found[0]


@pytest.fixture
def start(log: Path) -> Iterator[Any]:
    made: list[Web] = []

    def make(environment: dict[str, str]) -> Web:
        made.append(Web(environment, log))
        return made[-1]

    yield make
    for web in made:
        if web.process.poll() is None:
            web.process.send_signal(signal.SIGTERM)
        web.process.wait(40)


def check_deploy(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "ERROR"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_check_deploy_and_the_start_refuse_them(environment: dict[str, str], start: Any) -> None:
    demo_data.make_logins()
    checked = check_deploy(environment)
    assert checked.returncode == 1
    assert "orders.E101" in checked.stderr
    assert "admin, support, fulfilment, finance, manager" in checked.stderr
    web = start(environment)
    assert web.process.wait(60) == 78
    said = web.log.read_text()
    assert "has demo logins whose password is their name: admin, support, fulfilment, finance, manager." in said
    assert "Listening at" not in said
    assert "Traceback" not in said


def test_one_is_enough_also_where_somebody_made_it_by_hand(database: Database[Document], settings: Settings) -> None:
    settings.MONGODB_URI = uri(database.client)
    User.objects.create_user("finance", password="finance", is_active=False)
    assert [(found.id, "password is their name: finance." in found.msg) for found in demo_logins.check(None)] == [
        ("orders.E101", True)
    ]


@pytest.mark.slow
def test_with_passwords_of_their_own_they_are_logins_like_others(
    environment: dict[str, str], start: Any, log: Path
) -> None:
    User.objects.create_superuser("admin", password="another-one-altogether")
    User.objects.create_user("root", password="root")  # weak, and none of ours
    assert check_deploy(environment).returncode == 0
    assert start(environment).await_answer("/health/ready").status_code == 200
    assert "demo logins" not in log.read_text()


@pytest.mark.slow
def test_a_database_that_does_not_answer_keeps_nothing_from_starting(
    environment: dict[str, str], start: Any, log: Path
) -> None:
    environment["MONGODB_URI"] = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true"
    checked = check_deploy(environment)
    assert (checked.returncode, "orders.W101" in checked.stderr) == (0, True)
    began = time.monotonic()
    web = start(environment)
    assert web.await_answer("/health").status_code == 200
    assert time.monotonic() - began < 30
    assert web.await_answer("/health/ready").status_code == 503
    assert "Whether the database has demo logins was not seen: the database does not answer" in log.read_text()


def test_they_are_looked_for_by_an_index_and_nothing_is_written(database: Database[Document]) -> None:
    demo_data.make_logins()
    before = list(database["auth_user"].find())
    database.command("profile", 2)
    try:
        assert demo_logins.with_demo_password() == list(demo_logins.LOGINS)
    finally:
        database.command("profile", 0)
    asked = list(database["system.profile"].find({"ns": f"{database.name}.auth_user"}))
    database["system.profile"].drop()
    assert [entry["planSummary"] for entry in asked] == ["IXSCAN { username: 1 }"]
    assert list(database["auth_user"].find()) == before
