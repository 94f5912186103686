"""`manage.py check_peers`: what it prints, asks and exits with; what it finds is tested at the service."""

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.services.examination import stock_trials, trial_stock
from tests.functional.helpers import dead_url
from tests.functional.test_stock_commands import run
from tests.integration.builders import A, asked, shelve, stock_of


@pytest.fixture(autouse=True)
def quick(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_stock, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(stock_trials, "ROUNDS", 1)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    shelve(sandbox, A, available=40)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_it_reads_and_prints_a_table(sandbox: Sandbox) -> None:
    code, out, err = run("check_peers", "--user", "1", "--product", A)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert sum(line.startswith("ok ") for line in lines) == 12
    assert any(line.startswith("ok       products   product  404 ") for line in lines)
    assert "INVENTORY_IS_ATOMIC" in out
    assert "not tried: --product ID --write" in out
    assert asked(sandbox) == [], "without --write nothing is changed"


def test_what_is_wrong_is_told_with_what_was_expected(sandbox: Sandbox) -> None:
    sandbox.control.fault("verify", "wrong")
    code, out, _ = run("check_peers", "--user", "1")
    assert code == 1
    at = out.index("wrong    users      verify   200 ")
    assert "expected: an active user: `valid`: true or false" in out[at:]
    assert "came: {status: text, data: list}" in out[at:]


def test_a_peer_that_is_not_there_is_exit_code_2(settings: Settings) -> None:
    settings.INVENTORY_SERVICE_URL = dead_url()
    code, out, _ = run("check_peers", "--product", A, "--write", "--yes")
    assert code == 2
    assert "open     inventory  reserve  " in out
    assert "nothing was tried: not sent" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--write"], "--write needs a product to try it on: --product ID"),
        (["--product", A, "--write", "--json"], "--json --write cannot ask: add --yes"),
    ],
)
def test_what_cannot_be_meant_is_exit_code_2_and_asks_nobody(sandbox: Sandbox, arguments: list[str], told: str) -> None:
    code, out, err = run("check_peers", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert sandbox.control.counts() == {}


@pytest.mark.parametrize("answer", ["", "n\n", "please\n"])
def test_without_a_yes_nothing_is_written(sandbox: Sandbox, typed: Callable[[str], None], answer: str) -> None:
    typed(answer)
    code, out, err = run("check_peers", "--product", A, "--write")
    assert (code, err) == (2, "nothing was written\n")
    assert f"Product {A}: 40 available and 0 reserved." in out
    assert "reserve: the same key after a cut connection" in out
    assert "Up to 10 units at a time are reserved and given back; 1040 are asked for" in out
    assert asked(sandbox) == []


def test_with_a_yes_it_tries_and_tells(sandbox: Sandbox, typed: Callable[[str], None]) -> None:
    typed("y\n")
    code, out, err = run("check_peers", "--product", A, "--write")
    assert (code, err) == (0, "")
    assert "one key for two reserves: carried out twice: keys are not honoured" in out
    assert "calls side by side: no call was lost in 10; that proves nothing" in out
    assert "all given back: 40 available and 0 reserved, as at first" in out
    assert stock_of(sandbox) == (40, 0)


def test_as_json_it_is_one_object_with_the_settings_that_follow(sandbox: Sandbox) -> None:
    code, out, _ = run("check_peers", "--product", A, "--user", "1", "--write", "--yes", "--json")
    report = json.loads(out)
    facts = {finding["case"]: finding["fact"] for finding in report["findings"] if finding["fact"] is not None}
    assert code == 0
    assert facts["one key for two reserves"] is False
    assert {finding["verdict"] for finding in report["findings"]} <= {"ok", "note", "skipped"}
    assert report["findings"][3]["median_ms"] > 0
    settings = {each["setting"]: (each["now"], each["suggested"]) for each in report["settings"]}
    assert settings["INVENTORY_HONOURS_IDEMPOTENCY_KEY"] == (False, False)
    assert settings["INVENTORY_IS_ATOMIC"] == (True, None)
    assert report["left"] == []


def test_too_little_stock_is_refused(sandbox: Sandbox) -> None:
    shelve(sandbox, A, available=3)
    code, out, _ = run("check_peers", "--product", A, "--write", "--yes")
    assert code == 2
    assert "nothing was tried: Too little stock to try: 3 available, at least 20 are needed." in out
    assert asked(sandbox) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_by_a_signal_it_gives_back_and_says_so(sandbox: Sandbox, number: int) -> None:
    before = signal.getsignal(number)

    def stop_amid() -> None:
        while not sandbox.control.counts().get("reserve"):
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    sandbox.control.fault("reserve", "latency", seconds=0.3)
    stopper = threading.Thread(target=stop_amid)
    stopper.start()
    code, out, _ = run("check_peers", "--product", A, "--write", "--yes")
    stopper.join()
    assert code == 2
    assert ": stopped" in out
    assert "all given back: 40 available and 0 reserved, as at first" in out
    assert stock_of(sandbox) == (40, 0)
    assert signal.getsignal(number) is before
