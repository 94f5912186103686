"""Whatever a peer answers, the caller gets a valid value in time, or an error that says what is certain; nothing else.

`EXAMPLES` answers of :mod:`tests.peer_answers` to each operation, by the real integrations over real sockets. A failure
names the example; `answer_to` makes it again.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from pytest_django import Settings

from integrations import (
    Deadline,
    PeerError,
    PeerRefused,
    PeerUnavailable,
    http_connections,
    inventory,
    peer_requests,
    products,
    users,
)
from integrations.inventory import Availability, StockLevel
from integrations.products import Product
from integrations.retry import LONGEST_RETRY_AFTER
from tests.dose import WHOLE
from tests.peer_answers import PRODUCT, QUANTITY, Said, answer
from tests.raw_server import RawServer

pytestmark = pytest.mark.slow
SEED = "peers"
EXAMPLES = 250 if WHOLE else 80
PATIENCE, HURRY = 5.0, 0.05
"""Seconds to wait for an answer that ends, and for one that ends in silence."""


class Peer(RawServer):
    """Answers whatever it was told last."""

    said: Said

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = threading.Event()

    def act_for(self, request: bytes) -> Said:
        self.requests.append(request)
        self.was_asked.set()
        return self.said


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with Peer() as server:
        yield server


@pytest.fixture(autouse=True)
def _peer_settings(settings: Settings, peer: Peer) -> Iterator[None]:
    settings.USER_SERVICE_URL = settings.PRODUCT_SERVICE_URL = settings.INVENTORY_SERVICE_URL = peer.url
    settings.PEER_CONNECT_TIMEOUT = PATIENCE
    settings.BREAKER_THRESHOLD = 10**6
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = False
    settings.INVENTORY_NOT_ACTED_STATUSES = (429, 503)
    yield
    peer_requests.reset()


def answer_to(operation: str, number: int) -> Said:
    return answer(Random(f"{SEED}:{operation}:{number}"), operation)


def examples(settings: Settings, operation: str) -> Iterator[tuple[int, Said]]:
    """Those that end in silence come last, and are not waited for so long."""
    said = [answer_to(operation, number) for number in range(EXAMPLES)]
    for silent, seconds in ((False, PATIENCE), (True, HURRY)):
        settings.PEER_READ_TIMEOUT = settings.INVENTORY_WRITE_TIMEOUT = seconds
        yield from ((number, one) for number, one in enumerate(said) if (one.end == "kept") is silent)


def asked(peer: Peer, said: Said, ask: Callable[..., object]) -> object:
    """What one question comes to that is answered so: a value, or a PeerError."""
    peer.said = said
    peer.requests.clear()
    peer.was_asked.clear()
    began = time.monotonic()
    try:
        return ask(deadline=Deadline.after(3 * PATIENCE), retries=False)
    except PeerError as error:
        return error
    except Exception as error:
        error.add_note(f"when it was answered {said.content[:300]!r}")
        raise
    finally:
        assert time.monotonic() - began < PATIENCE
        assert peer.was_asked.wait(PATIENCE)  # in a hurry one may give up before a busy machine lets the peer read
        assert len(peer.requests) == 1
        http_connections.close_connections()


def reserve(**how: Any) -> int:
    reserved = inventory.reserve(PRODUCT, QUANTITY, order_id="o", key="o:0:reserve", **how)
    assert reserved == QUANTITY
    return reserved


def release(**how: Any) -> int:
    return inventory.release(PRODUCT, QUANTITY, order_id="o", key="o:0:release", **how)


READS: dict[str, Callable[..., object]] = {
    "verify": lambda **how: users.verify("1", **how),
    "product": lambda **how: products.fetch(PRODUCT, **how),
    "check": lambda **how: inventory.check(PRODUCT, QUANTITY, **how),
    "stock": lambda **how: inventory.stock(PRODUCT, **how),
}
WRITES: dict[str, Callable[..., object]] = {"reserve": reserve, "release": release}


@pytest.mark.parametrize("operation", READS)
def test_a_read_has_a_valid_value_or_none_at_all(settings: Settings, peer: Peer, operation: str) -> None:
    for number, said in examples(settings, operation):
        came = asked(peer, said, READS[operation])
        about = f"example {number}: {said.content[:300]!r} gave {came!r}"
        assert isinstance(came, PeerUnavailable) or is_valid(came), about
        assert not (said.good and isinstance(came, PeerError)), about
        if isinstance(came, PeerError):
            assert is_told_well(came), about


@pytest.mark.parametrize("operation", WRITES)
def test_what_became_of_a_write_is_never_guessed(settings: Settings, peer: Peer, operation: str) -> None:
    for number, said in examples(settings, operation):
        came = asked(peer, said, WRITES[operation])
        about = f"example {number}: {said.content[:300]!r} gave {came!r}"
        if isinstance(came, PeerError):
            assert is_told_well(came), about
            assert not said.good, about
        else:
            assert is_valid(came), about
            assert says_done(said), about
        if isinstance(came, PeerUnavailable | PeerRefused):
            assert says_not_done(said, came), about
        if said.status and says_not_acted(said.status) and said.end == "closed":
            assert isinstance(came, PeerUnavailable | PeerRefused), about
        elif said.status and not says_not_acted(said.status):
            assert not isinstance(came, PeerUnavailable), about


def is_valid(value: object) -> bool:
    match value:
        case Product(name=str(name), category=str(), sku=str(), image_url=str(), price=Decimal(), product_id=known):
            currency = re.fullmatch("([A-Z]{3})?", value.currency)
            return known == PRODUCT and 0 < value.price < 10**12 and len(name) <= 100_000 and currency is not None
        case users.User(name=str(), email=str()):
            return True
        case Availability(current_quantity=current, message=message):
            return is_count(current) and is_line(message)
        case int() if not isinstance(value, bool):  # units reserved or released
            return 0 <= value <= QUANTITY
        case StockLevel(available=int(), reserved=int()):
            return is_count(value.available) and is_count(value.reserved)
    return value is None


def is_count(value: int | None) -> bool:
    return value is None or (type(value) is int and value >= 0)


def is_line(text: str) -> bool:
    return text.isprintable() and len(text) <= 300


def is_told_well(error: PeerError) -> bool:
    wait = error.retry_after
    return is_line(error.detail) and (wait is None or 0 <= wait <= LONGEST_RETRY_AFTER)


def says_not_acted(status: int) -> bool:
    return 400 <= status < 500 or status == 503


def says_done(said: Said) -> bool:
    """Whether it may be read so: a status line with a 2xx stands in it, and it is not known to be of another status."""
    return re.search(rb"HTTP/1\.\d 2\d\d", said.content) is not None and (said.status or 200) // 100 == 2


def says_not_done(said: Said, came: PeerUnavailable | PeerRefused) -> bool:
    """Whether it may be read so: such a status line stands in it, or it is a 2xx whose body says `false`."""
    if isinstance(came, PeerRefused) and came.status // 100 == 2:
        return "ed: false`" in came.detail and (said.status or 200) // 100 == 2
    return re.search(rb"HTTP/1\.\d (4\d\d|503)", said.content) is not None
