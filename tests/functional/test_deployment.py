"""Running without Docker: the files in deploy/, and what docs/operations.md says on a Debian machine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class

from devtools.localhost import ROOT, free_port
from orders_project.settings.refusal import EXIT_CODE
from tests.certificates import self_signed
from tests.functional.nginx import Nginx
from tests.raw_server import RawServer, answer
from tests.unit.test_gunicorn_conf import conf
from tests.unit.test_nginx_file import number

DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "operations.md").read_text().partition("### On a Debian machine")[2].partition("\n### ")[0]
PYTHON = "/opt/order-service/.venv/bin/python"
UNITS = {path.name: path.read_text() for path in DEPLOY.glob("*.service")}
COMMON = (DEPLOY / "order-service-.service.d" / "common.conf").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SECRET = "f2b7c9d1e5a48269b0c4d1e8f7a6b52c3d4e5f60-$HOME & `pwd` #"


def value(key: str, text: str) -> str:
    """The value of a key that stands once in a unit."""
    [found] = re.findall(rf"(?m)^{key}=(.*)$", text)
    return str(found)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are installed, on a machine that has the programs they name where this one has them."""
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(DEPLOY)
            target.parent.mkdir(exist_ok=True)
            target.write_text(path.read_text().replace(PYTHON, sys.executable))
    return tmp_path


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "systemd is not installed, by which units are verified: apt-get install systemd"
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_has_nothing_to_say_about_the_units(units: Path) -> None:
    assert len(UNITS) == 3
    verified = systemd_analyze("verify", "--man=no", *(str(units / name) for name in UNITS))
    assert verified.stdout + verified.stderr == ""
    (units / "order-proxy.service").write_text(UNITS["order-proxy.service"].replace("PrivateTmp", "PrivateTemp"))
    assert "PrivateTemp" in systemd_analyze("verify", "--man=no", str(units / "order-proxy.service")).stderr


@pytest.mark.parametrize(
    ("name", "most"),
    [("order-service-web.service", 20), ("order-service-worker@.service", 20), ("order-proxy.service", 30)],
)
def test_a_unit_can_do_little_but_its_work(units: Path, name: str, most: int) -> None:
    judged = systemd_analyze("security", "--offline=true", f"--threshold={most}", "--no-pager", str(units / name))
    assert judged.returncode == 0, judged.stdout


def test_the_units_run_what_the_containers_run(monkeypatch: pytest.MonkeyPatch) -> None:
    [image] = re.findall(r'(?m)^CMD \["python", (.*)\]$', (ROOT / "Dockerfile").read_text())
    assert (
        value("ExecStart", UNITS["order-service-web.service"])
        == f"{PYTHON} {image.replace(chr(34), '').replace(',', '')}"
    )
    worker = COMPOSE["services"]["worker"]["command"]
    assert value("ExecStart", UNITS["order-service-worker@.service"]) == " ".join([PYTHON, *worker[1:]])
    assert value("RestartPreventExitStatus", COMMON) == str(EXIT_CODE)
    [listens] = re.findall(r" UPSTREAM=(\S+)", PAGE)
    for name in ("BIND_HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    assert conf(monkeypatch).bind == listens


def test_a_unit_is_given_the_time_to_finish_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, needed in (
        ("order-service-web.service", conf(monkeypatch).graceful_timeout),
        ("order-service-worker@.service", settings.STOCK_LEASE),
        ("order-proxy.service", number("worker_shutdown_timeout")),
    ):
        assert int(value("TimeoutStopSec", UNITS[name])) > needed, name
    assert int(value("LimitNOFILE", UNITS["order-proxy.service"])) >= number("worker_rlimit_nofile")


def test_cron_runs_commands_that_exist_by_the_services_own_user() -> None:
    lines = re.findall(r"(?m)^#?((?:[\d*/]+ ){5}) *(\S+)  (.*)$", (DEPLOY / "order-service.cron").read_text())
    assert len(lines) == 4
    for _, user, line in lines:
        assert user == value("User", COMMON)
        [(command, arguments)] = re.findall(r"order-service (\w+)([^|>)]*)", line)
        app = get_commands()[command]
        known = load_command_class(app, command) if isinstance(app, str) else app
        options = set(known.create_parser("manage.py", command)._option_string_actions)
        assert set(re.findall(r"(?<!\S)--[a-z-]+", arguments)) <= options
        assert "%" not in line, "cron makes a new line of it"


def environment_file(directory: Path) -> Path:
    """The one of the page, with a secret that a careless reader would read otherwise."""
    [block] = [block for block in re.findall(r"(?s)```sh\n(.*?)```", PAGE) if "\nSECRET_KEY=" in block]
    lines = [line for line in block.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"\w+='[^']*'", line)] == [], "systemd takes more for the value"
    file = directory / "environment"
    file.write_text(block.replace("'…'", f"'{SECRET}'"))
    return file


def test_the_environment_of_the_page_is_complete_and_reaches_a_command_as_it_stands(tmp_path: Path) -> None:
    script = (DEPLOY / "order-service").read_text().replace("-eq 0", "-eq -1")  # no other user is there to become
    script = script.replace("/etc/order-service/environment", str(environment_file(tmp_path)))
    script = script.replace(PYTHON, sys.executable).replace("/opt/order-service/manage.py", str(ROOT / "manage.py"))
    code = "from django.conf import settings as s; print(s.SECRET_KEY, s.MONGODB_URI, s.SETTINGS_MODULE, sep='\\n')"
    bare = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COV")}
    done = subprocess.run(
        ["/bin/sh", "-c", script, "order-service", "shell", "--no-imports", "-c", code],
        env=bare, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    secret, uri, module = done.stdout.splitlines()
    assert secret == SECRET
    assert uri.endswith("/?replicaSet=rs0&authSource=admin&tls=true")
    assert module == value("Environment", COMMON).partition("=")[2]


def test_where_tls_ends_in_nginx_no_client_is_believed_about_it(tmp_path: Path) -> None:
    certificate, port = self_signed(tmp_path), free_port()
    file = (DEPLOY / "tls.conf").read_text().replace("listen 443", f"listen 127.0.0.1:{port}")
    file, found = re.subn(r"/etc/letsencrypt/\S+\.pem", str(certificate), file)
    assert found == 2
    (tmp_path / "tls.conf").write_text(file)
    with RawServer(answer(200, {})) as service, Nginx(tmp_path, service.url.removeprefix("http://")) as nginx:
        for root, scheme in ((f"https://127.0.0.1:{port}", "https"), (nginx.root, "http")):
            for claimed in ({}, {"X-Forwarded-Proto": "https"}, {"X-Forwarded-Proto": "http"}):
                requests.get(f"{root}/health", headers=claimed, verify=certificate, timeout=30)
                assert service.sent()[1]["x-forwarded-proto"] == scheme


def test_the_pages_commands_name_files_that_exist() -> None:
    words = {word for block in re.findall(r"(?s)```sh\n(.*?)```", PAGE) for word in shlex.split(block, comments=True)}
    named = {word for word in words if re.match(r"(deploy|orders_project|requirements)/", word)}
    assert len(named) > 5
    assert [word for word in named if not [*ROOT.glob(word)]] == []
