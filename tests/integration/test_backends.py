"""What holds for every backend, whatever it asks and however: retries, keys, breakers, and what an outcome means."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from integrations import (
    BreakerOpen,
    Deadline,
    OutcomeUnknown,
    PeerError,
    PeerRefused,
    PeerUnavailable,
    inventory,
    peer_requests,
    products,
    users,
)
from integrations.backends import (
    Answer,
    Availability,
    Done,
    HttpCall,
    OwnCall,
    Product,
    Refused,
    StockLevel,
    Unavailable,
    Unexpected,
    Unknown,
    User,
)
from tests.raw_server import RawServer, answer, closed_port, cut

LAMP, CHAIR, TABLE = "a" * 24, "b" * 24, "c" * 24
Question = Callable[..., Any]


class Scripted:
    """A backend of each kind; a test says what it asks."""

    question: Question

    def verify(self, user_id: str) -> Any:
        return Scripted.question(user_id)

    def fetch(self, product_id: str) -> Any:
        return Scripted.question(product_id)

    def check(self, product_id: str, quantity: int) -> Any:
        return Scripted.question(product_id, quantity)

    def stock(self, product_id: str) -> Any:
        return Scripted.question(product_id)

    def reserve(self, product_id: str, quantity: int, *, order_id: str, key: str) -> Any:
        return Scripted.question(product_id, quantity, order_id, key)

    release = reserve


class ScriptedMany(Scripted):
    most_at_once = 2

    def fetch_many(self, product_ids: Any) -> Any:
        return Scripted.question(list(product_ids))


@pytest.fixture(autouse=True)
def _scripted(settings: Settings) -> Iterator[None]:
    for peer in ("USER", "PRODUCT", "INVENTORY"):
        setattr(settings, f"{peer}_BACKEND", f"{__name__}.Scripted")
        setattr(settings, f"{peer}_SERVICE_URL", "http://127.0.0.1:9")
    settings.MAX_RETRIES = 2
    settings.RETRY_DELAY = 0.001
    settings.INVENTORY_NOT_ACTED_STATUSES = (429, 503)
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = False
    peer_requests.reset()
    yield
    peer_requests.reset()


def soon() -> Deadline:
    return Deadline.after(60)


def reserve(quantity: int = 2, *, deadline: Deadline | None = None, sent_before: bool = False) -> int:
    return inventory.reserve(
        LAMP, quantity, order_id="o1", key="o1:0:reserve", deadline=deadline or soon(), sent_before=sent_before
    )


def release() -> int:
    return inventory.release(LAMP, 2, order_id="o1", key="o1:0:release", deadline=soon())


READS: dict[str, Callable[[], object]] = {
    "verify": lambda: users.verify("17", deadline=soon()),
    "product": lambda: products.fetch(LAMP, deadline=soon()),
    "check": lambda: inventory.check(LAMP, 2, deadline=soon()),
    "stock": lambda: inventory.stock(LAMP, deadline=soon()),
}


def asks(question: Question) -> None:
    Scripted.question = staticmethod(question)


def failing(*_arguments: object) -> Any:
    raise KeyError("available")


def came_of(ask: Callable[[], object]) -> object:
    """What a call returns, or the kind of its error."""
    try:
        return ask()
    except PeerError as error:
        return type(error)


class Own:
    """A question of the backend's own that notes each attempt."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.attempts: list[float] = []
        self._run = run

    def __call__(self, *_arguments: object) -> OwnCall[Any]:
        return OwnCall(self.run)

    def run(self, seconds: float) -> Any:
        self.attempts.append(seconds)
        return self._run()


def over_http(settings: Settings, read: Callable[[Answer], Any], ask: Callable[[], object], *acts: Any) -> Any:
    """What a POST of the backend's comes to whose answers are `acts` and read so, and how often it was sent."""
    asks(lambda *_: HttpCall("POST", "/do", read, accepted=(402,)))
    with RawServer(*acts) as server:
        settings.USER_SERVICE_URL = settings.PRODUCT_SERVICE_URL = settings.INVENTORY_SERVICE_URL = server.url
        return came_of(ask), len(server.requests)


# What an outcome means


@pytest.mark.parametrize(
    ("outcome", "came", "attempts"),
    [
        (Done(2), 2, 1),
        (Refused("no"), PeerRefused, 1),
        (Unavailable("later"), PeerUnavailable, 3),
        (Unknown("lost"), OutcomeUnknown, 1),
        (Done(1), OutcomeUnknown, 1),  # all of them or none
        (None, OutcomeUnknown, 1),
        (True, OutcomeUnknown, 1),
        (2, OutcomeUnknown, 1),
    ],
    ids=repr,
)
@pytest.mark.parametrize("status", [200, 402])
def test_a_change_has_the_outcome_that_its_backend_reads(
    settings: Settings, outcome: object, came: object, attempts: int, status: int
) -> None:
    assert over_http(settings, lambda _: outcome, reserve, answer(status)) == (came, attempts)
    own = Own(lambda: outcome)
    asks(own)
    assert came_of(reserve) == came
    assert len(own.attempts) == attempts


@pytest.mark.parametrize(("released", "came"), [(0, 0), (1, 1), (2, 2), (3, OutcomeUnknown)])
def test_a_release_gives_back_no_more_than_was_asked_for(released: int, came: object) -> None:
    asks(Own(lambda: Done(released)))
    assert came_of(release) == came


@pytest.mark.parametrize("units", [-1, 1.0, True, "2", None])
def test_what_is_no_number_of_units_cannot_be_done(units: Any) -> None:
    with pytest.raises(Unexpected):
        Done(units)


@pytest.mark.parametrize("honours", [False, True])
def test_whatever_a_backend_raises_leaves_a_change_unknown_and_is_repeated_only_by_key(
    settings: Settings, honours: bool
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = honours
    attempts = 3 if honours else 1
    assert over_http(settings, failing, reserve, answer(200)) == (OutcomeUnknown, attempts)
    own = Own(failing)
    asks(own)
    assert came_of(reserve) is OutcomeUnknown
    assert len(own.attempts) == attempts


@pytest.mark.parametrize(
    "question",
    [
        failing,
        lambda *_: None,
        lambda *_: HttpCall("POST", "no slash", failing),
        lambda *_: HttpCall("POST", "/not quoted", failing),
        lambda *_: HttpCall("POST", "/x", failing, headers={"X-Shop": 7}),
        lambda *_: HttpCall("POST", "/x", failing, body={"amount": Decimal("1.5")}),
        lambda *_: HttpCall(None, "/x", failing),
        lambda *_: HttpCall("POST", "/x", failing, params=["amount"]),
        lambda *_: HttpCall("POST", "/x", failing, params={"product": "\ud800"}),
        lambda *_: HttpCall("POST", "/x", failing, accepted=404),
    ],
)
def test_a_backend_that_does_not_say_what_to_ask_leaves_a_change_unknown_and_a_look_up_unanswered(
    question: Question,
) -> None:
    asks(question)
    assert came_of(reserve) is OutcomeUnknown
    assert {came_of(ask) for ask in READS.values()} == {PeerUnavailable}


@pytest.mark.parametrize(
    "made",
    [
        lambda: Refused(None),
        lambda: Unknown(b"lost"),
        lambda: Unavailable(404),
        lambda: Unavailable(retry_after="5"),
    ],
)
def test_an_outcome_that_cannot_be_told_leaves_a_change_unknown_and_a_look_up_unanswered(
    made: Callable[[], object],
) -> None:
    asks(Own(made))
    assert came_of(reserve) is OutcomeUnknown
    assert {came_of(ask) for ask in READS.values()} == {PeerUnavailable}


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    "outcome", [Unavailable("later"), "yes", True, 5, {}, (), Done(2)], ids=lambda outcome: type(outcome).__name__
)
def test_a_look_up_has_the_answer_that_its_backend_reads_or_none(
    settings: Settings, operation: str, outcome: object
) -> None:
    assert over_http(settings, lambda _: outcome, READS[operation], answer(200)) == (PeerUnavailable, 3)
    own = Own(lambda: outcome)
    asks(own)
    assert came_of(READS[operation]) is PeerUnavailable
    assert len(own.attempts) == 3


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        ("verify", User("Ada")),
        ("verify", None),
        ("product", Product(LAMP.upper(), "Lamp", Decimal("1.50"))),
        ("product", None),
        ("check", Availability(available=False)),
        ("stock", StockLevel(3, 0)),
        ("stock", None),
    ],
    ids=str,
)
def test_an_answer_of_the_backends_own_is_the_answer(operation: str, found: object) -> None:
    own = Own(lambda: found)
    asks(own)
    assert READS[operation]() == found
    assert len(own.attempts) == 1


@pytest.mark.parametrize("operation", READS)
def test_whatever_a_backend_raises_is_no_answer_and_is_logged(
    settings: Settings, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert over_http(settings, failing, READS[operation], answer(200)) == (PeerUnavailable, 3)
    [*_, logged] = [record for record in caplog.records if record.exc_info]
    assert "the backend failed" in logged.message
    caplog.clear()
    assert over_http(settings, refusing_to_read, READS[operation], answer(200)) == (PeerUnavailable, 3)
    assert not any(record.exc_info for record in caplog.records)  # an answer is unusable: no fault of the backend


def refusing_to_read(_answer: Answer) -> Any:
    raise Unexpected("answered something unexpected")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Product(LAMP, "", Decimal("NaN")), "no price"),
        (lambda: Product(LAMP, "", Decimal(0)), "no price"),
        (lambda: Product(LAMP, "", 19.99), "no price"),
        (lambda: Product(LAMP, "", Decimal(1), currency="eur"), "no code of a currency"),
        (lambda: Product(7, "", Decimal(1)), "no text"),
        (lambda: User(name=None), "no text"),
        (lambda: Availability(1), "neither that there is enough"),
        (lambda: Availability(True, -1), "no numbers of units"),
        (lambda: StockLevel(1, None), "no numbers of units"),
    ],
)
def test_what_is_no_fact_is_not_taken_for_one(made: Callable[[], object], said: str) -> None:
    with pytest.raises(Unexpected, match=said):
        made()


# What is never a backend's business


def test_the_key_of_a_change_is_sent_whether_or_not_the_backend_thinks_of_it(settings: Settings) -> None:
    asks(lambda *_: HttpCall("PUT", "/do", lambda _: Done(2), body={"n": 2}, headers={"X-Shop": "7"}))
    with RawServer(answer(200)) as server:
        settings.INVENTORY_SERVICE_URL = f"{server.url}/base"
        assert reserve() == 2
    first, headers, body = server.sent()
    assert (first, body) == ("PUT /base/do HTTP/1.1", {"n": 2})
    assert (headers["idempotency-key"], headers["x-shop"]) == ("o1:0:reserve", "7")


def test_a_backend_is_told_what_the_change_is(settings: Settings) -> None:
    told: list[object] = []

    def question(*arguments: object) -> OwnCall[Any]:
        told.append(arguments)
        return OwnCall(lambda _: Done(2))

    asks(question)
    reserve()
    release()
    assert told == [(LAMP, 2, "o1", "o1:0:reserve"), (LAMP, 2, "o1", "o1:0:release")]


def test_statuses_that_the_backend_does_not_read_are_judged_for_it(settings: Settings) -> None:
    for status, came in {404: PeerRefused, 503: PeerUnavailable, 401: PeerUnavailable, 500: OutcomeUnknown}.items():
        assert over_http(settings, lambda _: Done(2), reserve, answer(status))[0] is came
    assert over_http(settings, lambda _: Done(2), reserve, cut()) == (OutcomeUnknown, 1)


@pytest.mark.parametrize(("conflict", "came"), [(False, PeerRefused), (True, OutcomeUnknown)])
def test_a_refusal_settles_an_earlier_attempt_unless_it_may_be_due_to_it(
    settings: Settings, conflict: bool, came: object
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    asks(Own(lambda: Refused("no", conflict=conflict)))
    assert came_of(lambda: reserve(sent_before=True)) is came


def test_why_is_told_in_one_line_and_how_long_to_wait_within_reason(settings: Settings) -> None:
    settings.MAX_RETRIES = 0
    for said, wait in ((None, 7.0), (2.5, 2.5), (-1.0, 0.0), (1e9, 3600.0)):
        asks(lambda *_, said=said: HttpCall("GET", "/x", lambda _: Unavailable("a\r\nb" * 200, said)))
        with RawServer(answer(200, Retry_After="7")) as server:
            settings.USER_SERVICE_URL = server.url
            with pytest.raises(PeerUnavailable) as caught:
                READS["verify"]()
        assert caught.value.retry_after == wait
        assert caught.value.detail.isprintable()
        assert len(caught.value.detail) <= 200


def test_a_call_of_the_backends_own_is_given_its_time_and_not_begun_without(settings: Settings) -> None:
    settings.PEER_CONNECT_TIMEOUT, settings.PEER_READ_TIMEOUT, settings.INVENTORY_WRITE_TIMEOUT = 1.0, 5.0, 10.0
    own = Own(lambda: Unknown())
    asks(own)
    came_of(reserve)
    came_of(READS["check"])
    assert own.attempts[:2] == [11.0, 6.0]
    asked = len(own.attempts)
    assert came_of(lambda: reserve(deadline=Deadline.after(10.5))) is PeerUnavailable
    assert came_of(lambda: inventory.stock(LAMP, deadline=Deadline.after(0))) is PeerUnavailable
    assert len(own.attempts) == asked


@pytest.mark.parametrize("run", [failing, lambda: Unknown(), lambda: Unavailable()], ids=["raises", "lost", "down"])
def test_a_call_of_the_backends_own_that_keeps_failing_is_left_alone(
    settings: Settings, run: Callable[[], Any]
) -> None:
    settings.BREAKER_THRESHOLD, settings.MAX_RETRIES = 2, 0
    own = Own(run)
    asks(own)
    assert BreakerOpen not in (came_of(reserve), came_of(reserve))
    assert came_of(reserve) is BreakerOpen
    assert len(own.attempts) == 2
    asks(Own(lambda: Done(2)))
    assert came_of(release) == 2  # another operation has a breaker of its own


def test_our_own_haste_is_no_fault_of_what_a_backend_asks(settings: Settings) -> None:
    settings.BREAKER_THRESHOLD, settings.MAX_RETRIES = 1, 0

    def slow(seconds: float) -> Any:
        time.sleep(seconds)
        return Unavailable()

    asks(lambda *_: OwnCall(slow))
    for _ in range(2):
        assert came_of(lambda: inventory.stock(LAMP, deadline=Deadline.after(0.05))) is PeerUnavailable


# Before a call that cannot be repeated


@pytest.mark.parametrize("status", [200, 404, 410, 422])
def test_any_answer_about_a_product_shows_that_the_peer_answers(settings: Settings, status: int) -> None:
    asks(lambda *_: HttpCall("GET", "/x", failing))
    with RawServer(answer(status)) as server:
        settings.INVENTORY_SERVICE_URL = server.url
        inventory.probe(product_id=LAMP, deadline=soon())
        assert len(server.requests) == 1


def test_a_peer_that_does_not_answer_is_probed_once(settings: Settings) -> None:
    settings.INVENTORY_SERVICE_URL = closed_port()
    asks(lambda *_: HttpCall("GET", "/x", lambda _: None))
    with pytest.raises(PeerUnavailable):
        inventory.probe(product_id=LAMP, deadline=soon())
    own = Own(lambda: Unavailable("down"))
    asks(own)
    with pytest.raises(PeerUnavailable):
        inventory.probe(product_id=LAMP, deadline=soon())
    assert len(own.attempts) == 1
    asks(Own(lambda: StockLevel(1, 1)))
    inventory.probe(product_id=LAMP, deadline=soon())


# Many products at once


@pytest.fixture
def many(settings: Settings) -> list[object]:
    """Let products be asked for by two; return what was asked."""
    settings.PRODUCT_BACKEND = f"{__name__}.ScriptedMany"
    asked: list[object] = []

    def question(product_ids: list[str]) -> OwnCall[Any]:
        asked.append(product_ids)
        return OwnCall(lambda _: [priced(LAMP), priced(CHAIR), priced("d" * 24)])

    asks(question)
    return asked


def priced(product_id: str) -> Product:
    return Product(product_id, "", Decimal(1))


def found(*product_ids: str) -> products.Found:
    together: products.Found = {}
    for look_up in products.look_ups(product_ids, deadline=soon()):
        together |= look_up()
    return together


def test_as_many_products_as_can_be_are_asked_for_at_once(many: list[object]) -> None:
    assert found(LAMP, TABLE, CHAIR) == {LAMP: priced(LAMP), TABLE: None, CHAIR: priced(CHAIR)}
    assert many == [[LAMP, TABLE], [CHAIR]]


def test_what_is_no_id_anywhere_is_not_asked_for_among_many(many: list[object]) -> None:
    assert found("..", LAMP, "", ".") == {"..": None, LAMP: priced(LAMP), "": None, ".": None}
    assert many == [[LAMP]]


def test_a_product_in_other_capitals_is_found_among_many_unless_that_one_was_asked_for(many: list[object]) -> None:
    assert found(LAMP.upper(), CHAIR) == {LAMP.upper(): priced(LAMP), CHAIR: priced(CHAIR)}
    assert found(LAMP.upper(), LAMP) == {LAMP.upper(): None, LAMP: priced(LAMP)}


@pytest.mark.parametrize("outcome", [None, LAMP, [LAMP], [None], {LAMP: priced(LAMP)}, 5, Unavailable("later")])
def test_what_are_no_products_is_no_answer_about_many(many: list[object], outcome: object) -> None:
    own = Own(lambda: outcome)
    asks(own)
    assert came_of(lambda: found(LAMP, CHAIR)) is PeerUnavailable
    assert len(own.attempts) == 3


def test_a_product_that_comes_twice_has_one_price_or_none(many: list[object]) -> None:
    asks(lambda *_: OwnCall(lambda _: [priced(LAMP), Product(LAMP, "", Decimal(2)), priced(CHAIR)]))
    assert came_of(lambda: found(LAMP, CHAIR)) is PeerUnavailable
    asks(lambda *_: OwnCall(lambda _: [priced(LAMP), priced(CHAIR), priced(LAMP)]))
    assert found(LAMP, CHAIR) == {LAMP: priced(LAMP), CHAIR: priced(CHAIR)}


def test_without_such_a_call_each_product_is_asked_for() -> None:
    asks(lambda product_id: OwnCall(lambda _: priced(product_id) if product_id != TABLE else None))
    assert found(LAMP, TABLE) == {LAMP: priced(LAMP), TABLE: None}
