"""nginx's file agrees with what the service, gunicorn and the container files say."""

import re

import pytest
import yaml
from django.conf import settings

from devtools.localhost import ROOT
from tests.unit.test_gunicorn_conf import conf

FILE = (ROOT / "orders_project" / "web" / "nginx.conf.template").read_text()
UPSTREAM = re.compile(r"(?s)    upstream service \{.*?\n    \}\n")
UNITS = {"s": 1, "k": 1024, "m": 1024 * 1024}


def number(directive: str, text: str = UPSTREAM.sub("", FILE)) -> int:
    """The last figure of a directive that stands there once, in seconds or bytes."""
    [(figure, unit)] = re.findall(rf"(?m)^ *{directive} [^;]*?(\d+)([skm]?);", text)
    return int(figure) * UNITS.get(unit, 1)


def test_nginx_closes_idle_connections_to_gunicorn_first(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = UPSTREAM.search(FILE)
    assert upstream
    assert number("keepalive_timeout", upstream[0]) < conf(monkeypatch).keepalive


def test_nginx_waits_for_the_answer_that_the_service_gives_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert number("proxy_read_timeout") > settings.GUNICORN_TIMEOUT == conf(monkeypatch).timeout
    assert number("proxy_read_timeout") > settings.DATABASE_DEADLINE


def test_nginx_takes_what_the_service_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert number("client_max_body_size") == settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert f"is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes." in FILE
    assert number("large_client_header_buffers") == pytest.approx(conf(monkeypatch).limit_request_field_size, abs=2)


@pytest.mark.parametrize("directive", ["client_header_timeout", "client_body_timeout", "send_timeout"])
def test_nginx_soon_gives_up_who_is_silent(directive: str) -> None:
    assert 5 <= number(directive) <= 15


def test_nginx_answers_what_is_under_way_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    patience = int(compose["services"]["proxy"]["stop_grace_period"].removesuffix("s"))
    assert conf(monkeypatch).graceful_timeout < number("worker_shutdown_timeout") < patience
