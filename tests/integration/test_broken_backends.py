"""integrations.contract fails on a backend that is broken: each of its tests on one that nothing else may notice."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from devtools.localhost import ROOT
from examples.other_peers import Inventory, Products, Users
from integrations import PeerError
from integrations.backends import Answer, Availability, Change, Done, HttpCall, LookUp, Outcome, Product, Refused, User
from integrations.contract import test_inventory, test_products, test_users
from tests.other_shop import KNOWN, Shop, other_fixture, shop_fixture  # noqa: F401

NOBODY, WHOEVER = "2147483646", User(name="Whoever")


class YesUnlessNo(Users):
    def _read(self, answer: Answer) -> User | None:
        return WHOEVER if answer.json_object().get("exists", True) else None


class NoUnlessYes(Users):
    def _read(self, answer: Answer) -> User | None:
        return WHOEVER if answer.json_object().get("exists") else None


class Everybody(Users):
    def _read(self, answer: Answer) -> User | None:
        return WHOEVER


class Nobody(Users):
    def _read(self, answer: Answer) -> User | None:
        return None


class Unquoted(Users):
    def verify(self, user_id: str) -> LookUp[User | None]:
        return HttpCall("GET", f"/customers/{user_id}", self._read)


class OutageIsNo(Users):
    def verify(self, user_id: str) -> LookUp[User | None]:
        def read(answer: Answer) -> User | None:
            return self._read(answer) if answer.succeeded else None

        return replace(super().verify(user_id), read=read, accepted=(404, 503))


class Floats(Products):
    def _read(self, answer: Answer) -> list[Product]:
        return [replace(one, price=float(one.price)) for one in super()._read(answer)]


class Rounded(Products):
    def _read(self, answer: Answer) -> list[Product]:
        return [replace(one, price=Decimal(round(one.price))) for one in super()._read(answer)]


class NothingIsNone(Products):
    def _read(self, answer: Answer) -> list[Product]:
        return super()._read(answer) if "products" in answer.json_object() else []


class AlwaysTheSame(Products):
    def fetch(self, product_id: str) -> LookUp[Product | None]:
        return super().fetch(KNOWN.product_id)


class FirstOfMany(Products):
    def fetch_many(self, product_ids: Sequence[str]) -> LookUp[Collection[Product]]:
        return super().fetch_many(product_ids[1:])


class NoMoreThanTen(Products):
    most_at_once = 20

    def fetch_many(self, product_ids: Sequence[str]) -> LookUp[Collection[Product]]:
        return super().fetch_many(product_ids[:10] if len(product_ids) == 20 else ())


class UnreadableIsNone(Products):
    def _read(self, answer: Answer) -> list[Product]:
        return super()._read(answer) if b"products" in answer.body else []


class FindsOthers(Products):
    def search(self, text: str, limit: int) -> LookUp[Sequence[Product]]:
        return super().search(text[::-1], limit)


class FindsAnything(Products):
    def search(self, text: str, limit: int) -> LookUp[Sequence[Product]]:
        return super().search("", limit)


class AlwaysEnough(Inventory):
    def check(self, product_id: str, quantity: int) -> LookUp[Availability]:
        return super().check(product_id, 1)


class UnknownIsEnough(Inventory):
    def check(self, product_id: str, quantity: int) -> LookUp[Availability]:
        call: Any = super().check(product_id, quantity)
        return replace(call, read=lambda answer: Availability(True) if answer.status == 404 else call.read(answer))


class NothingIsTooLittle(Inventory):
    def check(self, product_id: str, quantity: int) -> LookUp[Availability]:
        call: Any = super().check(product_id, quantity)
        return replace(call, read=lambda answer: Availability(answer.json_object().get("sufficient") is True))


class Changed(Inventory):
    """Its changes are another's, but for what a subclass makes of the call."""

    def _change(self, act: str, done: str, product_id: str, quantity: int, order_id: str) -> Change:
        call: Any = super()._change(act, done, product_id, quantity, order_id)
        return self.changed(call, act, quantity)

    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        return call


class NothingIsDone(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        return replace(call, read=lambda answer: Done(quantity))


class NothingIsRefused(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        return replace(call, read=lambda answer: call.read(answer) if b"ed" in answer.body else Refused())


class OutageIsRefused(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        def read(answer: Answer) -> Outcome:
            return Refused() if answer.status == 500 else call.read(answer)

        return replace(call, read=read, accepted=(409, 500))


class NoOrder(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        return replace(call, body={"amount": quantity})


class EachTimeAnother(Changed):
    count = itertools.count()

    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        return replace(call, headers={"X-Attempt": str(next(self.count))})


class OwnKey(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        return replace(call, headers={"idempotency-key": "mine"})


class Getting(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        return replace(call, method="GET")


class OneAtATime(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        one = replace(call, body={**(call.body or {}), "amount": 1})
        return replace(one, read=lambda answer: Done(quantity) if answer.succeeded else call.read(answer))


class NeverGivesBack(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        if act == "reserve":
            return call
        return replace(call, body={**(call.body or {}), "amount": 0}, read=lambda answer: Done(quantity))


class TooLittleIsUnknown(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        def read(answer: Answer) -> Outcome:
            return call.read(replace(answer, status=200))

        return replace(call, read=read)


class UnknownIsDone(Changed):
    def changed(self, call: HttpCall[Outcome], act: str, quantity: int) -> Change:
        def read(answer: Answer) -> Outcome:
            return Done(quantity) if answer.status == 404 else call.read(answer)

        return replace(call, read=read, accepted=(404, 409))


Test = Callable[..., None]
CASES: list[tuple[type, Test, tuple[object, ...]]] = [
    (Nobody, test_users.test_a_user_who_may_order_is_found, ()),
    (Everybody, test_users.test_a_user_who_does_not_exist_is_none, ()),
    (Unquoted, test_users.test_an_id_of_another_format_is_nobodys, (test_users.STRANGE[0],)),
    (YesUnlessNo, test_users.test_what_says_nothing_about_a_user_is_no_answer, ()),
    (NoUnlessYes, test_users.test_what_says_nothing_about_a_user_is_no_answer, ()),
    (OutageIsNo, test_users.test_what_says_nothing_about_a_user_is_no_answer, ()),
    (Floats, test_products.test_a_product_is_found_with_its_exact_price, ()),
    (Rounded, test_products.test_a_product_is_found_with_its_exact_price, ()),
    (AlwaysTheSame, test_products.test_a_product_that_does_not_exist_is_none, ()),
    (AlwaysTheSame, test_products.test_an_id_of_another_format_is_no_products, (test_products.STRANGE[0],)),
    (NothingIsNone, test_products.test_what_says_nothing_about_a_product_is_no_answer, ()),
    (FirstOfMany, test_products.test_of_many_each_is_what_it_is_alone, ()),
    (NoMoreThanTen, test_products.test_more_than_can_be_asked_for_at_once_are_all_answered, ()),
    (UnreadableIsNone, test_products.test_what_says_nothing_about_many_is_no_answer, ()),
    (FindsOthers, test_products.test_a_product_is_found_by_its_name_as_it_is_by_its_id, ()),
    (FindsAnything, test_products.test_a_text_that_finds_nothing_is_an_empty_list, ("no product is called this",)),
    (UnreadableIsNone, test_products.test_what_says_nothing_about_a_search_is_no_answer, ()),
    (AlwaysEnough, test_inventory.test_a_check_agrees_with_the_stock, ()),
    (UnknownIsEnough, test_inventory.test_a_product_that_does_not_exist_is_not_in_stock, ()),
    (NothingIsTooLittle, test_inventory.test_what_says_nothing_about_stock_is_no_answer, ()),
    *(
        (broken, test_inventory.test_what_says_nothing_about_a_change_leaves_its_outcome_unknown, (change,))
        for broken in (NothingIsDone, NothingIsRefused, OutageIsRefused)
        for change in ("reserve", "release")
    ),
    *(
        (broken, test_inventory.test_a_change_says_what_and_how_many_for_which_order_and_the_same_each_time, (change,))
        for broken in (NoOrder, EachTimeAnother, OwnKey, Getting)
        for change in ("reserve", "release")
    ),
    (OneAtATime, test_inventory.test_units_are_reserved_and_given_back_as_asked, ()),
    (NeverGivesBack, test_inventory.test_units_are_reserved_and_given_back_as_asked, ()),
    (TooLittleIsUnknown, test_inventory.test_more_than_there_is_is_refused_and_nothing_reserved, ()),
    (UnknownIsDone, test_inventory.test_a_product_that_does_not_exist_is_neither_reserved_nor_released, ()),
]


@pytest.mark.parametrize(
    ("broken", "test", "arguments"), CASES, ids=[f"{broken.__name__}-{test.__name__}" for broken, test, _ in CASES]
)
def test_the_contract_notices(
    settings: Settings, other: Shop, broken: type, test: Test, arguments: tuple[object, ...]
) -> None:
    base = next(kind for kind in (Users, Products, Inventory) if issubclass(broken, kind))
    names = {Users: "USER_BACKEND", Products: "PRODUCT_BACKEND", Inventory: "INVENTORY_BACKEND"}
    setattr(settings, names[base], f"{__name__}.{broken.__name__}")
    takes_known = "known" in test.__code__.co_varnames[: test.__code__.co_argcount]
    with pytest.raises((AssertionError, PeerError, pytest.fail.Exception)):
        test(*([KNOWN] if takes_known else []), *arguments)


def test_every_test_of_the_contract_has_a_backend_that_fails_it() -> None:
    tests = {
        found
        for module in (test_users, test_products, test_inventory)
        for name, found in vars(module).items()
        if name.startswith("test_")
    }
    assert len(tests) > 15
    assert tests == {test for _, test, _ in CASES}


@pytest.mark.slow
def test_whoever_has_backends_of_their_own_runs_it_by_name(shop: Shop) -> None:
    environment = os.environ | {"CONTRACT_USER_ID": "17", "CONTRACT_PRODUCT_ID": KNOWN.product_id}
    environment |= {"CONTRACT_PRICE": str(KNOWN.price), "CONTRACT_WRITES": "1"}
    for peer, backend in (("USER", "Users"), ("PRODUCT", "Products"), ("INVENTORY", "Inventory")):
        environment |= {f"{peer}_BACKEND": f"examples.other_peers.{backend}", f"{peer}_SERVICE_URL": shop.url}
    command = [sys.executable, "-m", "pytest", "--pyargs", "integrations.contract", "-q"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout
    assert shop.counts()["reserve"] == 3
