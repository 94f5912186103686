"""The key set at JWT_JWKS_URL while it is slow, gone or renewed: tokens of known keys are let in all the same."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from orders.api import authentication, key_set
from orders.api.key_set import KeySet
from tests.functional.helpers import Api, outage, problem, visitor_fixture  # noqa: F401
from tests.functional.test_authentication import EC, KEY_SET, RSA, signed
from tests.raw_server import Act, RawServer, answer, stall

OLD = {"keys": KEY_SET["keys"][:1]}
KNOWN, NEW, UNKNOWN = signed("RS256", RSA, "r"), signed("ES256", EC, "e"), signed("RS256", RSA, "made-up")
Serve = Callable[..., RawServer]


@pytest.fixture(name="serve")
def serve_fixture(settings: Settings) -> Iterator[Serve]:
    servers: list[RawServer] = []

    def serve(*script: Act) -> RawServer:
        servers.append(RawServer(*script).__enter__())
        settings.JWT_JWKS_URL = f"{servers[-1].url}/jwks.json"
        return servers[-1]

    yield serve
    for server in servers:
        server.__exit__()


def keys_of(server: RawServer) -> KeySet:
    return authentication._key_set(f"{server.url}/jwks.json")


def pass_time(server: RawServer, seconds: float) -> None:
    keys_of(server)._tried_at -= seconds
    keys_of(server)._fetched_at -= seconds


def status(visitor: Api, made: str) -> int:
    return int(visitor(token=made).get("orders/").status_code)


def test_made_up_keys_keep_no_valid_token_waiting_for_a_set_that_hangs(visitor: Api, serve: Serve) -> None:
    server = serve(answer(200, KEY_SET), stall(key_set.TIMEOUT + 1))
    assert status(visitor, KNOWN) == 200
    pass_time(server, key_set.COOL_DOWN)
    with ThreadPoolExecutor(4) as pool:
        strangers = [pool.submit(status, visitor, UNKNOWN) for _ in range(4)]
        time.sleep(0.2)
        for _ in range(5):
            began = time.monotonic()
            assert status(visitor, KNOWN) == 200
            assert time.monotonic() - began < 1
        began = time.monotonic()
        assert {stranger.result() for stranger in strangers} == {503}, "nobody can tell whether there is such a key now"
    assert time.monotonic() - began < key_set.TIMEOUT + 1
    assert status(visitor, UNKNOWN) == 503
    assert len(server.requests) == 2, "a try that failed counts like one that did not"


def test_an_old_set_serves_while_it_cannot_be_fetched_anew_for_a_day(
    visitor: Api, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(answer(200, KEY_SET), answer(503, {}), stall(2), answer(200, {"keys": []}), answer(200, KEY_SET))
    assert status(visitor, KNOWN) == 200
    pass_time(server, key_set.LIFESPAN)
    for tries in (2, 3, 4):
        for _ in range(3):
            began = time.monotonic()
            assert status(visitor, KNOWN) == 200
            assert time.monotonic() - began < 1
        finish(server)
        assert len(server.requests) == tries
        pass_time(server, key_set.COOL_DOWN)
    assert caplog.text.count("the key set cannot be fetched") == 3
    assert status(visitor, KNOWN) == 200
    finish(server)
    assert status(visitor, KNOWN) == 200
    assert len(server.requests) == 5, "and then it is fresh again"


def test_a_set_that_could_not_be_renewed_for_a_day_vouches_for_nobody(visitor: Api, serve: Serve) -> None:
    server = serve(answer(200, KEY_SET), answer(503, {}))
    assert status(visitor, KNOWN) == 200
    pass_time(server, key_set.OLDEST)
    outage(visitor(token=KNOWN).get("orders/"), "keys_unavailable")


def test_a_new_key_is_found_after_a_pause(visitor: Api, serve: Serve) -> None:
    server = serve(answer(200, OLD), answer(200, KEY_SET))
    assert status(visitor, KNOWN) == 200
    problem(visitor(token=NEW).get("orders/"), 401)
    assert len(server.requests) == 1
    pass_time(server, key_set.COOL_DOWN)
    assert status(visitor, NEW) == 200
    assert len(server.requests) == 2


def test_all_who_come_before_the_first_set_wait_for_it_together(visitor: Api, serve: Serve) -> None:
    def late(connection: object) -> bool:
        time.sleep(0.5)
        return answer(200, KEY_SET)(connection)  # type: ignore[arg-type]

    server = serve(late)
    with ThreadPoolExecutor(4) as pool:
        assert {found.result() for found in [pool.submit(status, visitor, KNOWN) for _ in range(4)]} == {200}
    assert len(server.requests) == 1


def finish(server: RawServer) -> None:
    """Wait for the fetch that is under way."""
    assert keys_of(server)._over.wait(key_set.TIMEOUT + 2)
