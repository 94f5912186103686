"""Asking the inventory service, and having it set stock aside."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from integrations import Deadline, OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable, inventory, peer_requests
from integrations.inventory import Availability, StockLevel
from integrations.sandbox import Sandbox, Stock
from tests.raw_server import RawServer, answer

LAMP = "665f1c0a9b1e8a0012a4aaaa"
UNKNOWN = "665f1c0a9b1e8a0012a4ffff"


@pytest.fixture(autouse=True)
def _peer_settings(settings: Settings) -> Iterator[None]:
    settings.MAX_RETRIES = 2
    settings.RETRY_DELAY = 0.001
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = False
    settings.INVENTORY_NOT_ACTED_STATUSES = (429, 503)
    yield
    peer_requests.reset()


@pytest.fixture
def stocked(sandbox: Sandbox) -> Sandbox:
    """The sandbox with ten lamps, three of them reserved."""
    sandbox.control.put_product(LAMP, name="Lamp", price="19.99", available=7, reserved=3)
    return sandbox


@pytest.fixture
def honouring(stocked: Sandbox, settings: Settings) -> Sandbox:
    """The same, honouring idempotency keys."""
    stocked.control.honour_keys(True)
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    return stocked


def deadline() -> Deadline:
    return Deadline.after(60)


def check(product_id: str, quantity: int) -> Availability:
    return inventory.check(product_id, quantity, deadline=deadline())


def reserve(product_id: str, quantity: int, *, retries: bool = True) -> int:
    return inventory.reserve(
        product_id, quantity, order_id="o1", key="o1:0:reserve", deadline=deadline(), retries=retries
    )


def release(product_id: str, quantity: int, *, retries: bool = True) -> int:
    return inventory.release(
        product_id, quantity, order_id="o1", key="o1:0:release", deadline=deadline(), retries=retries
    )


# Check


@pytest.mark.parametrize(("quantity", "available"), [(7, True), (8, False)])
def test_a_check_says_whether_there_is_enough(stocked: Sandbox, quantity: int, available: bool) -> None:
    assert check(LAMP, quantity) == Availability(available, 7, "")
    assert stocked.control.stock(LAMP) == Stock(7, 3, 10)


def test_an_unknown_product_is_not_available(stocked: Sandbox) -> None:
    found = check(UNKNOWN, 1)
    assert (found.available, found.current_quantity) == (False, None)
    assert "not found" in found.message


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_a_check_refuses_is_not_available(stocked: Sandbox, status: int) -> None:
    stocked.control.fault("check", "status", status=status)
    assert check(LAMP, 1).available is False


def test_what_cannot_be_an_id_is_not_available_and_not_asked_for(stocked: Sandbox) -> None:
    assert check("\ud83d", 1).available is False
    assert stocked.control.counts() == {}


@pytest.mark.parametrize("kind", ["garbage", "wrong", "drop_before"])
def test_a_check_that_fails_says_nothing_about_the_stock(stocked: Sandbox, kind: str) -> None:
    stocked.control.fault("check", kind)
    with pytest.raises(PeerUnavailable):
        check(LAMP, 1)
    assert stocked.control.counts() == {"check": 3}


# Reserve and release


def test_a_reservation_sets_stock_aside(stocked: Sandbox) -> None:
    assert reserve(LAMP, 2) == 2
    assert stocked.control.stock(LAMP) == Stock(5, 5, 10)


def test_a_release_gives_it_back(stocked: Sandbox) -> None:
    assert release(LAMP, 2) == 2
    assert stocked.control.stock(LAMP) == Stock(9, 1, 10)


def test_a_release_of_more_than_is_reserved_tells_how_much_came_back(stocked: Sandbox) -> None:
    assert release(LAMP, 5) == 3
    assert release(LAMP, 5) == 0


@pytest.mark.parametrize(("operation", "change"), [("reserve", reserve), ("release", release)])
def test_a_change_may_take_as_long_as_inventory_is_given_for_writes(
    stocked: Sandbox, settings: Settings, operation: str, change: Callable[[str, int], object]
) -> None:
    settings.PEER_READ_TIMEOUT, settings.INVENTORY_WRITE_TIMEOUT = 0.2, 20.0
    for slow in (operation, "check"):
        stocked.control.fault(slow, "latency", seconds=0.7)
    change(LAMP, 2)
    with pytest.raises(PeerUnavailable):
        check(LAMP, 2)


def test_order_and_key_go_with_every_change(stocked: Sandbox) -> None:
    reserve(LAMP, 2)
    release(LAMP, 2)
    sent = [(call["operation"], call["order_id"], call["key"]) for call in stocked.control.calls()]
    assert sent == [("reserve", "o1", "o1:0:reserve"), ("release", "o1", "o1:0:release")]


def test_too_little_stock_is_refused_and_none_set_aside(stocked: Sandbox) -> None:
    with pytest.raises(PeerRefused, match="Requested: 8, Available: 7") as caught:
        reserve(LAMP, 8)
    assert caught.value.status == 400
    assert stocked.control.stock(LAMP) == Stock(7, 3, 10)
    assert stocked.control.counts() == {"reserve": 1}


@pytest.mark.parametrize("change", [reserve, release])
def test_a_change_of_an_unknown_product_is_refused(stocked: Sandbox, change: Callable[[str, int], object]) -> None:
    with pytest.raises(PeerRefused) as caught:
        change(UNKNOWN, 1)
    assert caught.value.status == 404


@pytest.mark.parametrize(("kind", "acted"), [("drop_before", False), ("drop_after", True), ("garbage", True)])
def test_an_outcome_nobody_knows_is_not_repeated(stocked: Sandbox, kind: str, acted: bool) -> None:
    stocked.control.fault("reserve", kind)
    with pytest.raises(OutcomeUnknown):
        reserve(LAMP, 2)
    assert stocked.control.counts() == {"reserve": 1}
    assert stocked.control.stock(LAMP).reserved == (5 if acted else 3)


@pytest.mark.usefixtures("short_writes")
@pytest.mark.parametrize("kind", ["stall_before", "stall_after"])
def test_an_answer_that_does_not_come_in_time_is_an_unknown_outcome(stocked: Sandbox, kind: str) -> None:
    stocked.control.fault("release", kind, seconds=30)
    with pytest.raises(OutcomeUnknown):
        release(LAMP, 2)
    assert stocked.control.counts() == {"release": 1}


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "garbage", "wrong"])
def test_a_peer_that_honours_keys_is_asked_again_and_acts_once(honouring: Sandbox, kind: str) -> None:
    honouring.control.fault("reserve", kind, times=2)
    assert reserve(LAMP, 2) == 2
    assert honouring.control.counts() == {"reserve": 3}
    assert honouring.control.stock(LAMP) == Stock(5, 5, 10)


def test_asked_for_one_attempt_it_makes_one(honouring: Sandbox) -> None:
    honouring.control.fault("reserve", "drop_after", times=1)
    with pytest.raises(OutcomeUnknown):
        reserve(LAMP, 2, retries=False)
    assert honouring.control.counts() == {"reserve": 1}


@pytest.mark.parametrize("status", [429, 503])
def test_not_acted_upon_is_asked_again(stocked: Sandbox, status: int) -> None:
    stocked.control.fault("release", "status", status=status, times=1)
    assert release(LAMP, 2) == 2
    assert stocked.control.counts() == {"release": 2}


def test_which_statuses_mean_not_acted_is_a_setting(stocked: Sandbox, settings: Settings) -> None:
    settings.INVENTORY_NOT_ACTED_STATUSES = (429,)
    stocked.control.fault("reserve", "status", status=503)
    with pytest.raises(OutcomeUnknown):
        reserve(LAMP, 2)
    assert stocked.control.counts() == {"reserve": 1}


def test_a_peer_that_is_down_was_not_sent_anything(stocked: Sandbox) -> None:
    stocked.stop()
    try:
        with pytest.raises(PeerUnavailable, match="not sent"):
            reserve(LAMP, 2)
    finally:
        stocked.start()
    assert stocked.control.stock(LAMP) == Stock(7, 3, 10)


def test_a_repeated_change_that_is_not_sent_leaves_the_outcome_unknown(honouring: Sandbox) -> None:
    honouring.stop()
    try:
        with pytest.raises(OutcomeUnknown, match="may have acted; the last one: not sent"):
            inventory.release(LAMP, 2, order_id="o1", key="k", deadline=deadline(), sent_before=True)
    finally:
        honouring.start()


RESERVED = {"reserved": True, "quantity": 2, "available_quantity": 5}
RELEASED = {"released": True, "quantity": 2}


def told(settings: Settings, change: Callable[..., object], body: object) -> object:
    with RawServer(answer(200, body)) as server:
        settings.INVENTORY_SERVICE_URL = server.url
        try:
            return change(LAMP, 2)
        except PeerError as error:
            assert len(server.requests) == 1
            return type(error)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (RESERVED, 2),
        ({"reserved": True, "quantity": 2}, 2),
        (RESERVED | {"available_quantity": "five"}, 2),
        ({"reserved": False, "message": "Sold out"}, PeerRefused),
        (RESERVED | {"reserved": 1}, OutcomeUnknown),
        (RESERVED | {"reserved": None}, OutcomeUnknown),
        (RESERVED | {"quantity": 1}, OutcomeUnknown),
        (RESERVED | {"quantity": True}, OutcomeUnknown),
        ({"reserved": True}, OutcomeUnknown),
        ({"quantity": 2}, OutcomeUnknown),
        ([], OutcomeUnknown),
    ],
)
def test_only_an_explicit_answer_is_a_reservation(settings: Settings, body: object, outcome: object) -> None:
    assert told(settings, reserve, body) == outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (RELEASED, 2),
        (RELEASED | {"quantity": 0}, 0),
        ({"released": False}, PeerRefused),
        ({"released": True}, OutcomeUnknown),
        (RELEASED | {"quantity": 3}, OutcomeUnknown),
        (RELEASED | {"quantity": -1}, OutcomeUnknown),
        (RELEASED | {"released": "yes"}, OutcomeUnknown),
    ],
)
def test_only_an_explicit_answer_is_a_release(settings: Settings, body: object, outcome: object) -> None:
    assert told(settings, release, body) == outcome


# Stock, and whether the peer answers


def test_the_stock_of_a_product_is_told(stocked: Sandbox) -> None:
    assert inventory.stock(LAMP, deadline=deadline()) == StockLevel(available=7, reserved=3)


@pytest.mark.parametrize("product_id", [UNKNOWN, ".."])
def test_an_unknown_product_has_no_stock(stocked: Sandbox, product_id: str) -> None:
    assert inventory.stock(product_id, deadline=deadline()) is None


@pytest.mark.parametrize("body", [{}, {"available_quantity": 3}, {"available_quantity": -1, "reserved_quantity": 0}])
def test_stock_without_numbers_is_no_answer(settings: Settings, body: dict[str, Any]) -> None:
    with RawServer(answer(200, body)) as server:
        settings.INVENTORY_SERVICE_URL = server.url
        with pytest.raises(PeerUnavailable, match="no numbers"):
            inventory.stock(LAMP, deadline=deadline())


@pytest.mark.parametrize("product_id", [LAMP, UNKNOWN])
def test_a_peer_that_answers_a_read_answers(stocked: Sandbox, product_id: str) -> None:
    inventory.probe(product_id=product_id, deadline=deadline())
    assert stocked.control.counts() == {"stock": 1}


def test_a_peer_that_does_not_answer_is_asked_only_once(stocked: Sandbox) -> None:
    stocked.control.fault("stock", "status", status=503)
    with pytest.raises(PeerUnavailable):
        inventory.probe(product_id=LAMP, deadline=deadline())
    assert stocked.control.counts() == {"stock": 1}


def test_nothing_can_be_asked_about_what_is_no_id(stocked: Sandbox) -> None:
    with pytest.raises(PeerUnavailable, match="no such product"):
        inventory.probe(product_id="..", deadline=deadline())
    assert stocked.control.counts() == {}
