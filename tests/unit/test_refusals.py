"""Every refusal has its place in the one table, and its own code."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import orders
from orders.api.exception_handler import problem_details
from orders.services.errors import OrderError
from orders.services.refusals import STATUS


def below(kind: type[OrderError]) -> Iterator[type[OrderError]]:
    for error in kind.__subclasses__():
        yield error
        yield from below(error)


def every_error() -> list[type[OrderError]]:
    """Those of all modules, whoever imports them."""
    for module in pkgutil.walk_packages(orders.__path__, "orders."):
        importlib.import_module(module.name)
    return [OrderError, *dict.fromkeys(error for error in below(OrderError) if error.__module__.startswith("orders."))]


ERRORS = every_error()


def test_the_table_has_every_error_and_no_two_have_one_code() -> None:
    assert len(ERRORS) > 30
    assert set(STATUS) == set(ERRORS)
    assert len({error.code for error in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_that_a_view_meets_is_answered(error: type[OrderError]) -> None:
    answer = problem_details(error("It cannot be done."), {})
    assert answer is not None
    assert 400 <= answer.status_code <= 503
    assert (answer.data["code"], answer.data["detail"]) == (error.code, "It cannot be done.")
