"""`manage.py enrich_orders`: what it asks, says and leaves by."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.sandbox import Sandbox
from tests.integration.builders import line, read, small_sandbox, store  # noqa: F401

LACKS = "a name, an email address or the currency"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("enrich_orders", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


@pytest.fixture
def old(sandbox: Sandbox) -> Any:
    """An order of before."""
    return store("pending", line("reserved"), due=None)


def test_it_says_how_many_there_are_and_fills_them_in_when_confirmed(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--dry-run") == f"1 order lacks {LACKS}"
    monkeypatch.setattr("builtins.input", lambda question: "n" if LACKS in question else "y")
    with pytest.raises(CommandError, match=r"^nothing was changed$") as refused:
        run()
    assert refused.value.returncode == 1
    assert "contact" not in read(old)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert run() == "1 filled in; of 0 the other services do not know what is missing"
    assert read(old)["contact"]["name"] == "Somebody"
    monkeypatch.setattr("builtins.input", None)
    assert run() == f"0 orders lack {LACKS}"


def test_it_takes_where_to_begin_and_how_many(old: Any) -> None:
    newer = store("pending", line("reserved"), due=None)
    assert run("--oldest-first", "--limit", "1", "--yes").startswith("1 filled in")
    assert ("contact" in read(old), "contact" in read(newer)) == (True, False)


def test_a_service_that_is_down_ends_it_in_one_line(old: Any, sandbox: Sandbox) -> None:
    sandbox.control.fault("product", "status", status=503)
    with pytest.raises(CommandError, match=r"products does not answer.*; what was filled in stays") as failed:
        run("--yes")
    assert failed.value.returncode == 1
    assert "contact" not in read(old)
