"""The recipes of docs/storefront.md, as they stand there, at the real service with faults on the way.

The JavaScript runs in a page of another origin, in a real browser; the Python as a module.
"""

import importlib.util
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from pytest_django import Settings

from integrations.sandbox import Sandbox
from tests.api_client import order_body, token
from tests.dose import chosen
from tests.fault_proxy import (
    Fault,
    FaultProxy,
    answer_cut,
    answer_late,
    answer_lost,
    answer_reset,
    bad_gateway,
    method_of,
    not_passed,
)
from tests.functional.helpers import TOWEL, Api, Documents, line_states, placed_in, settle, stored
from tests.raw_server import Act, RawServer, answer
from tests.storefront_page import recipe, rows

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

UNITS = 3
FAULTS: dict[str, list[Fault]] = {
    "none": [],
    "lost": [answer_lost],
    "reset": [answer_reset],
    "cut": [answer_cut],
    "not passed": [not_passed],
    "bad gateway": [bad_gateway],
    "late": [answer_late(2.5)],
    "one after the other": [not_passed, answer_cut, answer_lost],
}
EACH = {f"{which}, {name}": (which, faults) for name, faults in FAULTS.items() for which in ("browser", "python")}
PLACING = chosen(
    EACH, "browser, bad gateway", "browser, late", "browser, one after the other",
    "python, reset", "python, one after the other",
)  # fmt: skip
CANCELLING = {name: case for name, case in PLACING.items() if "late" not in name and "reset" not in name}
CALL = """async ([name, argument, api, tokens, times, haste, atOnce]) => {
    let fetched = 0, renewed = 0;
    const pauses = [], real = window.real ??= { fetch: window.fetch, setTimeout: window.setTimeout };
    window.fetch = (...asked) => { fetched += 1; return real.fetch.call(window, ...asked); };
    window.setTimeout = (done, pause) => {
        pauses.push(pause / 1000);
        return real.setTimeout.call(window, done, pause / haste);
    };
    const token = async (renew) => tokens[renew ? ++renewed : renewed];
    const call = { placeOrder, cancelOrder }[name];
    const calls = Array.from({ length: atOnce }, () => call(argument, { api, token, ...times }));
    const ends = (await Promise.allSettled(calls)).map(({ status, value, reason }) => status === "fulfilled"
        ? { ok: true, value: value ?? null }
        : { ok: false, kind: reason.constructor.name, said: reason.message, ...reason });
    return { ends, fetched, renewed, pauses };
}"""


@dataclass(frozen=True)
class Told:
    """What the calls of a recipe came to.

    :ivar attempts: how often it asked by itself.
    :ivar renewed: how many new tokens it got.
    :ivar pauses: the seconds that it meant to wait before each further attempt.
    """

    ends: list[dict[str, Any]]
    attempts: int
    renewed: int
    pauses: list[float]

    @property
    def order(self) -> Any:
        """What the calls, all of which succeeded, returned: the same."""
        first = self.ends[0]
        assert first["ok"], self.ends
        assert [end.get("value") for end in self.ends] == [first["value"]] * len(self.ends)
        return first["value"]

    def failed(self, kind: str) -> dict[str, Any]:
        [end] = self.ends
        assert (end["ok"], end.get("kind")) == (False, kind), end
        return end


class Shopper:
    """A storefront that has one of the recipes; `api` is where it believes the service to be."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.tokens = [token("1")]
        self.times: dict[str, float] = {}
        """Seconds: `wait` and `patience`, where they are to be shorter than in the recipe."""
        self.haste = 1.0
        """By how much its pauses are shorter than it means them to be."""

    def place(self, basket: dict[str, Any], at_once: int = 1) -> Told:
        raise NotImplementedError

    def cancel(self, order_id: str) -> Told:
        raise NotImplementedError


class InBrowser(Shopper):
    def __init__(self, api: str, page: Page) -> None:
        super().__init__(api)
        self.page = page

    def place(self, basket: dict[str, Any], at_once: int = 1) -> Told:
        return self._call("placeOrder", basket, at_once)

    def cancel(self, order_id: str) -> Told:
        return self._call("cancelOrder", order_id, 1)

    def _call(self, name: str, argument: Any, at_once: int) -> Told:
        times = {which: 1000 * seconds for which, seconds in self.times.items()}
        told = self.page.evaluate(CALL, [name, argument, self.api, self.tokens, times, self.haste, at_once])
        return Told(told["ends"], told["fetched"], told["renewed"], told["pauses"])


class InPython(Shopper):
    def __init__(self, api: str, module: ModuleType) -> None:
        super().__init__(api)
        self.module = module
        self.keys: dict[str, str] = {}

    def place(self, basket: dict[str, Any], at_once: int = 1) -> Told:
        key = self.keys.setdefault(basket["id"], f"key-of-{basket['id']}")
        order = {name: value for name, value in basket.items() if name != "id"}
        return self._call(lambda shop: self.module.place_order(shop, key, order), at_once)

    def cancel(self, order_id: str) -> Told:
        return self._call(lambda shop: self.module.cancel_order(shop, order_id), 1)

    def _call(self, call: Callable[[Any], Any], at_once: int) -> Told:
        asked, renewed, pauses = [0], [0], list[float]()

        def current(renew: bool) -> str:
            renewed[0] += renew
            return self.tokens[renewed[0]]

        def counted(*given: Any, **named: Any) -> Any:
            asked[0] += 1
            return real(*given, **named)

        def hasten(seconds: float) -> None:
            pauses.append(seconds)
            time.sleep(seconds / self.haste)

        def end(_number: int) -> dict[str, Any]:
            try:
                return {"ok": True, "value": call(self.module.Shop(self.api, current, **self.times))}
            except self.module.Refused as error:
                return {"ok": False, "kind": "Refused", "said": str(error), **error.problem}
            except self.module.Unresolved as error:
                return {"ok": False, "kind": "Unresolved", "said": str(error)}

        real = self.module.requests.request
        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(at_once) as threads:
            patch.setattr(self.module.requests, "request", counted)
            patch.setattr(self.module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=hasten))
            ends = list(threads.map(end, range(at_once)))
        return Told(ends, asked[0], renewed[0], pauses)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The page's Python, imported from a file that has nothing else."""
    file = tmp_path_factory.mktemp("recipes") / "storefront_recipe.py"
    file.write_text(recipe("python"))
    spec = importlib.util.spec_from_file_location("storefront_recipe", file)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["storefront_recipe"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["storefront_recipe"]


@pytest.fixture
def shop_page(browser: Browser, settings: Settings) -> Iterator[Page]:
    """A page of the storefront's own origin, which the service lets in, with the page's JavaScript."""
    with RawServer(answer(200, b"<!doctype html><title>Shop</title>", Content_Type="text/html")) as shop:
        settings.CORS_ALLOWED_ORIGINS = [shop.url]
        context = browser.new_context()
        page = context.new_page()
        page.goto(shop.url)
        page.add_script_tag(content=recipe("js"))
        yield page
        context.close()


@pytest.fixture(params=["browser", "python"])
def shopper(request: pytest.FixtureRequest, live_server_url: str, sandbox: Sandbox, settings: Settings) -> Shopper:
    api = f"{live_server_url}{settings.API_PREFIX}"
    if request.param == "python":
        return InPython(api, request.getfixturevalue("recipes"))
    return InBrowser(api, request.getfixturevalue("shop_page"))


@pytest.fixture
def basket() -> dict[str, Any]:
    return {"id": "basket-1"} | order_body("1", (TOWEL.product_id, UNITS, TOWEL.price))


def through(proxy: FaultProxy, shopper: Shopper) -> None:
    """Put a proxy between a storefront and the service."""
    shopper.api = f"{proxy.url}{urlsplit(shopper.api).path}"


def assert_only_order(database: Documents, sandbox: Sandbox, order: dict[str, Any], units: int = UNITS) -> None:
    """There is this order alone, and inventory holds its units and no others."""
    placed = list(database["orders"].find({"status": {"$ne": "rejected"}}))
    assert [str(each["_id"]) for each in placed] == [order["id"]]
    assert line_states(placed[0]) == ["reserved"]
    assert sandbox.control.stock(TOWEL.product_id).reserved == units


# --- placing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shopper", "faults"), PLACING.values(), ids=PLACING, indirect=["shopper"])
def test_whatever_is_lost_on_the_way_there_is_one_order(
    shopper: Shopper,
    basket: dict[str, Any],
    live_server_url: str,
    database: Documents,
    sandbox: Sandbox,
    faults: list[Fault],
) -> None:
    shopper.times, shopper.haste = {"wait": 2.0}, 2
    with FaultProxy(live_server_url, "POST", *faults) as proxy:
        through(proxy, shopper)
        order = shopper.place(basket).order
        sent = [request for request in proxy.requests if method_of(request) == "POST"]
    assert_only_order(database, sandbox, order)
    assert len(sent) == len(faults) + 1
    keys = [re.findall(rb"(?i)\r\nidempotency-key: ([^\r]+)", request) for request in sent]
    assert keys == [keys[0]] * len(sent), "the same key each time"
    assert len(keys[0]) == 1


def test_a_browser_that_sends_a_post_again_by_itself_gets_the_same_order(
    browser: Browser,
    shop_page: Page,
    basket: dict[str, Any],
    live_server_url: str,
    database: Documents,
    sandbox: Sandbox,
    settings: Settings,
) -> None:
    shopper = InBrowser("", shop_page)
    with FaultProxy(live_server_url, "POST", answer_lost) as proxy:
        shopper.api = f"{proxy.url}{settings.API_PREFIX}"
        told = shopper.place(basket)
        assert proxy.methods() == ["OPTIONS", "POST", "POST"]
    assert told.attempts == 1, "the recipe has asked once"
    assert_only_order(database, sandbox, told.order)


def test_a_double_click_places_one_order(
    shopper: Shopper, basket: dict[str, Any], database: Documents, sandbox: Sandbox
) -> None:
    sandbox.control.fault("reserve", "latency", seconds=2)
    told = shopper.place(basket, at_once=2)
    assert_only_order(database, sandbox, told.order)
    assert told.attempts > 2, "one was told to wait for the other"
    assert shopper.place(basket).order["id"] == told.order["id"], "nor does a click that comes late"
    assert_only_order(database, sandbox, told.order)


@pytest.mark.parametrize("operation", ["product", "reserve"])
def test_a_peer_that_is_down_for_a_moment_costs_no_order(
    shopper: Shopper, basket: dict[str, Any], database: Documents, sandbox: Sandbox, operation: str
) -> None:
    sandbox.control.fault(operation, "status", status=503, times=2)  # the service itself asks twice
    shopper.haste = 10
    told = shopper.place(basket)
    assert told.attempts == 2
    assert [5 <= pause < 6 for pause in told.pauses] == [True], "as Retry-After said"
    assert_only_order(database, sandbox, told.order)


def test_who_writes_too_much_is_let_in_after_a_while(
    shopper: Shopper, basket: dict[str, Any], api: Api, database: Documents, sandbox: Sandbox, settings: Settings
) -> None:
    settings.RATE_LIMIT_WRITES = 10  # one each six seconds: what asks within these is refused
    client = api()
    while client.delete("orders/0").status_code != 429:
        assert database["orders"].count_documents({}) == 0
    shopper.haste = 4  # so it asks several times before it is let in
    told = shopper.place(basket)
    assert told.attempts > 1
    assert_only_order(database, sandbox, told.order)


def test_an_expired_token_is_renewed_once(
    shopper: Shopper, basket: dict[str, Any], database: Documents, sandbox: Sandbox
) -> None:
    shopper.tokens = [token("1", exp=int(time.time()) - 60), token("1")]
    told = shopper.place(basket)
    assert (told.attempts, told.renewed) == (2, 1)
    assert_only_order(database, sandbox, told.order)
    shopper.tokens[1] = shopper.tokens[0]
    told = shopper.place(basket)
    assert (told.attempts, told.renewed) == (2, 1)
    assert told.failed("Refused")["code"] == "token_expired"


def test_a_basket_that_was_refused_is_corrected_under_its_key(
    shopper: Shopper, basket: dict[str, Any], database: Documents, sandbox: Sandbox
) -> None:
    [line] = basket["items"]
    for change, code in (({"price": "0.01"}, "price_changed"), ({"quantity": 9_999}, "insufficient_stock")):
        told = shopper.place(basket | {"items": [line | change]})
        refused = told.failed("Refused")
        assert (refused["code"], told.attempts) == (code, 1)
        assert refused["said"] == refused["detail"]
        assert sandbox.control.stock(TOWEL.product_id).reserved == 0
        if code == "price_changed":
            assert refused["current_prices"] == {"items.0": TOWEL.price}
    assert_only_order(database, sandbox, shopper.place(basket).order)


def test_a_basket_that_was_changed_after_it_was_placed_is_no_second_order(
    shopper: Shopper, basket: dict[str, Any], database: Documents, sandbox: Sandbox
) -> None:
    order = shopper.place(basket).order
    [line] = basket["items"]
    told = shopper.place(basket | {"items": [line | {"quantity": 1}]})
    assert told.failed("Refused")["code"] == "idempotency_key_reused"
    assert_only_order(database, sandbox, order)


def test_without_any_answer_it_says_that_nobody_knows_and_goes_on_later(
    shopper: Shopper, basket: dict[str, Any], live_server_url: str, database: Documents, sandbox: Sandbox
) -> None:
    service, shopper.times = shopper.api, {"patience": 3.0}
    with FaultProxy(live_server_url, "POST", always=answer_cut) as proxy:
        through(proxy, shopper)
        began = time.monotonic()
        assert shopper.place(basket).failed("Unresolved")["said"] == "There was no answer."
        assert time.monotonic() - began < 60
    shopper.api = service
    assert_only_order(database, sandbox, shopper.place(basket).order)


def test_a_token_that_fails_to_come_is_told_as_it_is(shop_page: Page) -> None:
    """It is the storefront's own fault, and nothing was sent."""
    call = "placeOrder({ id: 1 }, { api: '', token: async () => { throw new Error('no token'); } })"
    assert shop_page.evaluate(f"{call}.catch((error) => error.message)") == "no token"


# --- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shopper", "faults"), CANCELLING.values(), ids=CANCELLING, indirect=["shopper"])
def test_cancelling_is_done_once_and_may_be_asked_again(
    shopper: Shopper, api: Api, live_server_url: str, database: Documents, sandbox: Sandbox, faults: list[Fault]
) -> None:
    order = placed_in(api, "pending", (TOWEL.product_id, UNITS, TOWEL.price))
    with FaultProxy(live_server_url, "DELETE", *faults) as proxy:
        through(proxy, shopper)
        for _ in range(2):
            assert shopper.cancel(order["id"]).order is None
    settle(database)
    found = stored(database, order["id"])
    assert found["status"] == "cancelled"
    assert [entry["act"] for entry in found["history"] if entry["to"] == "cancelled"] == ["cancel"]
    assert sandbox.control.stock(TOWEL.product_id).reserved == 0
    assert len(sandbox.control.movements(order["id"])) == 2, "reserved once, released once"


def test_what_is_too_late_to_cancel_is_refused(shopper: Shopper, api: Api, database: Documents) -> None:
    order = placed_in(api, "shipped")
    told = shopper.cancel(order["id"])
    assert told.failed("Refused")["current_status"] == "shipped"
    assert told.attempts == 1
    assert stored(database, order["id"])["status"] == "shipped"


# --- the table --------------------------------------------------------------------------------------------------------


class EveryAnswer(RawServer):
    """Answers `/<status>/<code>/orders/` so often with that problem, and then as if the order were placed.

    :param after: what it says in `Retry-After`.
    """

    def __init__(self, refusals: int = 1, **after: str) -> None:
        super().__init__()
        self._refusals, self._after = refusals, after

    def act_for(self, request: bytes) -> Act:
        method, path = request.decode("latin-1").split(" ")[:2]
        _, status, code, *_ = path.split("/")
        headers = {"Access_Control_Allow_Origin": "*", "Access_Control_Expose_Headers": "Retry-After"}
        headers |= {"Access_Control_Allow_Headers": "authorization, content-type, idempotency-key"}
        with self._lock:
            self.requests.append(request)
            posts = sum(known.startswith(f"POST {path} ".encode()) for known in self.requests)
        if method == "OPTIONS" or posts > self._refusals:
            return answer(200, {"id": code}, **headers)
        document = {"status": int(status), "code": code, "detail": "As the table says."}
        return answer(int(status), document, Content_Type="application/problem+json", **self._after, **headers)


def test_the_recipes_send_again_what_the_table_says_and_nothing_else(shopper: Shopper, basket: dict[str, Any]) -> None:
    shopper.tokens *= 2
    shopper.haste = 100
    with EveryAnswer(Retry_After="7") as service:
        for row in rows():
            for status in row.statuses:
                shopper.api = f"{service.url}/{status}/{row.code}"
                told = shopper.place(basket | {"id": f"{status}-{row.code}"})
                expired = row.code == "token_expired"
                assert told.ends[0]["ok"] is row.repeated, row
                assert (told.attempts, told.renewed) == (1 + row.repeated, expired), row
                waited = [True] if row.repeated and not expired else []
                assert [7 <= pause < 8 for pause in told.pauses] == waited, row


def test_where_nothing_says_how_long_to_wait_each_pause_is_longer_up_to_half_a_minute(
    shopper: Shopper, basket: dict[str, Any]
) -> None:
    shopper.haste = 1000
    with EveryAnswer(refusals=7) as service:
        shopper.api = f"{service.url}/500/server_error"
        told = shopper.place(basket)
    assert [int(pause) for pause in told.pauses] == [1, 2, 4, 8, 16, 30, 30]
