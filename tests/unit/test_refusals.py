"""Every refusal has its own code, says of which kind it is, and is answered with the status that is listed here."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import orders
from orders.api.exception_handler import STATUS, problem_details
from orders.api.problems import PROBLEMS
from orders.services.errors import OrderError, RefusalKind

CODES_BY_STATUS = {
    400: """
        order_error invalid_reason reason_missing malformed_user_id invalid invalid_period invalid_order
        verification_failed unknown_user unknown_product invalid_payment invalid_tracking invalid_lines invalid_refund
        invalid_address invalid_note no_colleague invalid_tag invalid_snooze invalid_webhook unknown_transition
        nothing_selected unknown_scope invalid_service_token invalid_view unreadable_file
    """,
    401: "service_token_refused service_token_out_of_time",
    403: "not_permitted",
    404: """
        order_not_found order_not_adopted no_product_search shipment_not_found return_not_found webhook_not_found
        run_not_found service_token_not_found view_not_found
    """,
    409: """
        price_changed insufficient_stock too_many_open_orders idempotency_key_in_use order_not_replaceable
        transition_not_allowed order_busy payment_too_low lines_not_available refund_too_high return_received
        hold_refused same_address address_fixed same_assignee same_tags order_unfinished nothing_to_erase
        nothing_unknown nothing_owed nothing_short still_unverified nothing_to_snooze not_snoozed too_many_snoozed
        cannot_try_stock cursor_unknown too_many_webhooks run_is_over too_many_batches too_many_views file_changed
        too_young
    """,
    410: "cursor_expired events_deleted",
    412: "stale_order",
    422: "idempotency_key_reused run_exists",
    503: "placement_interrupted",
}
"""What storefronts and other clients rely on: a status that changes is to be changed here too."""


def below(error: type[OrderError]) -> Iterator[type[OrderError]]:
    for narrower in error.__subclasses__():
        yield narrower
        yield from below(narrower)


def every_error() -> list[type[OrderError]]:
    """Those of all modules, whoever imports them, in an order that does not depend on who has imported which first."""
    for module in pkgutil.walk_packages(orders.__path__, "orders."):
        importlib.import_module(module.name)
    found = {error for error in below(OrderError) if error.__module__.startswith("orders.")}
    return [OrderError, *sorted(found, key=lambda error: error.__name__)]


ERRORS = every_error()


def test_no_two_errors_have_one_code() -> None:
    assert len(ERRORS) > 30
    assert len({error.code for error in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_says_itself_of_which_kind_it_is(error: type[OrderError]) -> None:
    assert any("kind" in vars(stated) for stated in error.__mro__ if error is OrderError or stated is not OrderError)


def test_every_kind_has_a_status_of_its_own() -> None:
    assert set(STATUS) == set(RefusalKind)
    assert len(set(STATUS.values())) == len(STATUS)


def test_the_status_of_every_error_is_the_one_that_clients_know() -> None:
    known = {code: status for status, codes in CODES_BY_STATUS.items() for code in codes.split()}
    assert {error.code: int(STATUS[error.kind]) for error in ERRORS} == known


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_that_a_view_meets_is_answered(error: type[OrderError]) -> None:
    answer = problem_details(error("It cannot be done."), {})
    assert answer is not None
    assert answer.status_code == STATUS[error.kind]
    assert (answer.data["code"], answer.data["detail"]) == (error.code, "It cannot be done.")


@pytest.mark.parametrize("error", ERRORS)
def test_the_page_on_its_code_names_its_status(error: type[OrderError]) -> None:
    assert error.code not in PROBLEMS or int(STATUS[error.kind]) in PROBLEMS[error.code].statuses
