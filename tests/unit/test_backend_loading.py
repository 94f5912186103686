"""A setting that names no backend keeps the service from starting, and says why."""

from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from integrations.backend_loading import problems
from integrations.published import Inventory, Products, Users

HERE = __name__


class NeedsAnArgument(Users):
    def __init__(self, url: str) -> None:
        pass


class Misnamed:
    def check_user(self, user_id: str) -> Any: ...


class TakesMore:
    def verify(self, user_id: str, tenant: str) -> Any: ...


class TakesAnything:
    def verify(self, *arguments: Any, **more: Any) -> Any: ...


class Waits:
    async def verify(self, user_id: str) -> Any: ...


class ManyWithoutMost(Products):
    def fetch_many(self, product_ids: Any) -> Any: ...


class ManyOfNone(ManyWithoutMost):
    most_at_once = 0


class ManyAtATime(ManyWithoutMost):
    most_at_once = 50


class ManyWithMore(ManyAtATime):
    def fetch_many(self, product_ids: Any, currency: str) -> Any: ...


class Keyless(Inventory):
    def reserve(self, product_id: str, quantity: int, *, order_id: str) -> Any: ...  # type: ignore[override]


class OnlyReads:
    check, stock = Inventory.check, Inventory.stock


class SearchWithMore(Products):
    def search(self, text: str, limit: int, language: str) -> list[str]:
        return [text, str(limit), language]


not_a_class = Users()


@pytest.mark.parametrize(
    ("setting", "path", "said"),
    [
        (
            "USER_BACKEND",
            "no.such.Users",
            "no.such.Users cannot be imported: ModuleNotFoundError: No module",
        ),
        ("USER_BACKEND", "tests.conftest.Users", "tests.conftest has no Users"),
        ("USER_BACKEND", f"{HERE}.not_a_class", f"{HERE}.not_a_class is not a class"),
        (
            "USER_BACKEND",
            f"{HERE}.NeedsAnArgument",
            f"{HERE}.NeedsAnArgument cannot be made without arguments: ",
        ),
        ("USER_BACKEND", f"{HERE}.Misnamed", f"{HERE}.Misnamed has no method verify(user_id: str)"),
        (
            "USER_BACKEND",
            f"{HERE}.TakesMore",
            "TakesMore.verify is not an ordinary method verify(user_id: str)",
        ),
        ("USER_BACKEND", f"{HERE}.Waits", f"{HERE}.Waits.verify is not an ordinary method verify(user_id: str)"),
        ("PRODUCT_BACKEND", f"{HERE}.ManyWithoutMost", "has fetch_many, but no most_at_once of 1 or more"),
        ("PRODUCT_BACKEND", f"{HERE}.ManyOfNone", "has fetch_many, but no most_at_once of 1 or more"),
        ("PRODUCT_BACKEND", f"{HERE}.ManyWithMore", "fetch_many is not an ordinary method fetch_many(product_ids: "),
        ("PRODUCT_BACKEND", f"{HERE}.SearchWithMore", "search is not an ordinary method search(text: str, limit: int)"),
        ("INVENTORY_BACKEND", f"{HERE}.Keyless", "reserve is not an ordinary method reserve(product_id: str, quantity"),
        (
            "INVENTORY_BACKEND",
            f"{HERE}.OnlyReads",
            "OnlyReads has no method release(product_id: str, quantity: int",
        ),
    ],
)
def test_what_can_be_no_backend_is_refused_by_name(settings: Settings, setting: str, path: str, said: str) -> None:
    setattr(settings, setting, path)
    [problem] = problems()
    assert problem.startswith(f"{setting}: ")
    assert said in problem


def test_all_that_is_wrong_is_named_at_once(settings: Settings) -> None:
    settings.USER_BACKEND, settings.INVENTORY_BACKEND = f"{HERE}.Misnamed", f"{HERE}.OnlyReads"
    assert [problem.partition(":")[0] for problem in problems()] == ["USER_BACKEND", "INVENTORY_BACKEND"]
    with pytest.raises(ImproperlyConfigured, match=r"starting:\n  USER_BACKEND: .*\n  INVENTORY_BACKEND: .*OnlyReads"):
        apps.get_app_config("orders_project").ready()


def test_a_backend_may_take_more_than_it_is_given(settings: Settings) -> None:
    settings.USER_BACKEND, settings.PRODUCT_BACKEND = f"{HERE}.TakesAnything", f"{HERE}.ManyAtATime"
    assert problems() == []
