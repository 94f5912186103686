"""Limits hold for all gunicorn workers together: nobody gets an allowance of each."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.api_client import token
from tests.functional.admin_helpers import Browser
from tests.proof.chaos_stage import SECRET, Stage

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
LIMITS = {
    "RATE_LIMIT_WRITES": "10",
    "RATE_LIMIT_REFUSED_TOKENS": "10",
    "LOG_IN_FAILURES": "3",
    "GUNICORN_TIMEOUT": "25",
    "STOCK_LEASE": "30",
}
TRIES = 60


@pytest.fixture(scope="module")
def stage(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two gunicorn workers of eight threads, with small limits."""
    with Stage(mongo_uri, tmp_path_factory.mktemp("stage"), keys=True, times=LIMITS) as stage:
        stage.start_web()
        stage.await_ready()
        assert len(stage.web_workers()) == 2
        many(stage, "GET", "orders/", token("1", key=SECRET))  # both have seen the database before they are to count
        yield stage


def many(stage: Stage, method: str, path: str, bearer: str) -> list[requests.Response]:
    """That many requests on a connection of each, eight at a time, so that both workers get some."""

    def ask(_: int) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"Bearer {bearer}"}
            return session.request(method, f"{stage.root}/api/v1/{path}", headers=headers, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, range(TRIES)))


def statuses(answers: list[requests.Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


def most(began: float) -> float:
    """So many may have been granted since: one comes back every six seconds."""
    return 10 + 1 + (time.monotonic() - began) / 6


def test_writes_of_one_caller_are_limited_once_for_all_workers(stage: Stage) -> None:
    bearer = token("1", key=SECRET)
    began = time.monotonic()
    answers = many(stage, "DELETE", f"orders/{'0' * 24}", bearer)
    granted = statuses(answers).pop(404)
    assert 10 <= granted <= most(began)
    assert statuses(answers) == {404: granted, 429: TRIES - granted}
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"10"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 6 for answer in answers if answer.status_code == 429)
    assert set(statuses(many(stage, "GET", "orders/", bearer))) == {200}, "reads are not limited"


def test_refused_tokens_of_one_address_are_limited_once_for_all_workers(stage: Stage) -> None:
    began = time.monotonic()
    found = statuses(many(stage, "GET", "orders/", "not.a.token"))
    assert 10 <= found[401] <= most(began)
    assert found == {401: found[401], 429: TRIES - found[401]}
    assert set(statuses(many(stage, "GET", "orders/", token("2", key=SECRET)))) == {200}


def test_a_guesser_of_passwords_is_locked_out_of_every_worker(stage: Stage) -> None:
    def guess(_: int) -> int:
        with Browser(stage.root) as browser:
            return browser.log_in("admin", password="wrong").status_code

    assert guess(0) == 200, "the first one alone: the form, with what is wrong"
    with ThreadPoolExecutor(4) as pool:  # a password takes a processor a good while, by design
        found = Counter(pool.map(guess, range(12)))
    assert set(found) <= {200, 429}
    assert found[200] < 2, (
        "however many were under way at once (each may then see the others' failures), and the last says so"
    )
    assert {guess(each) for each in range(6)} == {429}
