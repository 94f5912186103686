"""The container's own look at its web server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from devtools import localhost
from orders_project.web import healthcheck


class Health(BaseHTTPRequestHandler):
    """Answers as Django does: 400 to a host that is not allowed."""

    def do_GET(self) -> None:
        allowed = self.path == "/health" and self.headers["Host"] == "orders.example"
        self.send_response(200 if allowed else 400)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("allowed", "code"), [("orders.example,other", 0), (".orders.example", 0), ("other", 1)])
def test_it_asks_by_an_allowed_name(
    server: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    allowed: str,
    code: int,
) -> None:
    monkeypatch.setenv("BIND_HOST", "0.0.0.0")  # noqa: S104 - where the container listens
    monkeypatch.setenv("PORT", str(server.server_port))
    monkeypatch.setenv("ALLOWED_HOSTS", allowed)
    assert healthcheck.main() == code
    assert capsys.readouterr().out == f"/health answered {400 if code else 200}\n"


def test_no_answer_is_not_healthy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORT", str(localhost.free_port()))
    assert healthcheck.main() == 1
    assert capsys.readouterr().out.startswith("no answer")


def test_any_name_does_where_all_are_allowed() -> None:
    assert healthcheck.allowed_name("*") == healthcheck.allowed_name("") == "localhost"
