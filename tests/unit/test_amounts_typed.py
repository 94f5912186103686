"""Amounts of money that staff type into forms."""

from decimal import Decimal

import pytest
from django.utils.translation import override

from orders.admin.posted import amount_typed, as_typed
from orders.services.errors import OrderError

LANGUAGES = ("en", "de")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        *[(text, "12.50") for text in ("12.50", "12,50", "12,5", " 12.5 ", "012.50")],
        *[(text, "1234.50") for text in ("1234,5", "1,234.50", "1.234,50")],
        *[(text, "999999999999.99") for text in ("999999999999.99", "999.999.999.999,99", "999,999,999,999.99")],
        ("12", "12.00"),
    ],
)
def test_an_amount_is_understood_as_either_language_writes_it(language: str, typed: str, amount: str) -> None:
    with override(language):
        assert amount_typed(typed) == Decimal(amount)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "typed", ["1.234", "1,234", "1.234.567", "12,505", "12.34.5", "1,23.50", "1.234.50", "1234,567.50"]
)
def test_what_could_mean_two_amounts_is_never_guessed(language: str, typed: str) -> None:
    with override(language), pytest.raises(OrderError, match=r"12[.,]50"):
        amount_typed(typed)


@pytest.mark.parametrize("typed", ["", "x", "0", "0,00", "-5", "1e3", "12.50 €", "１２", "12.", ",50", "1" * 13])
def test_what_is_no_amount_above_zero_is_refused(typed: str) -> None:
    with pytest.raises(OrderError, match=r"Enter an amount above 0, such as 12\.50\."):
        amount_typed(typed)


@pytest.mark.parametrize(("language", "shown"), [("en", "1234.50"), ("de", "1234,50")])
def test_an_amount_stands_in_a_form_as_its_reader_would_type_it(language: str, shown: str) -> None:
    with override(language):
        assert as_typed(Decimal("1234.50")) == shown
        assert amount_typed(shown) == Decimal("1234.50")
        with pytest.raises(OrderError, match=f"12{shown[-3]}50"):
            amount_typed("x")
