"""Money in the backoffice and on paper: its currency, as the reader writes it."""

from decimal import Decimal

import pytest
from django.utils.translation import override
from pytest_django import Settings

from orders.admin.money_format import amounts, money


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("1234.50", "EUR", "€1,234.50"),
        ("64.90", "USD", "$64.90"),
        ("12.5", "CHF", "CHF\xa012.50"),
        ("-5", "GBP", "-£5.00"),
        ("999999999999.99", "EUR", "€999,999,999,999.99"),
    ],
)
def test_an_amount_has_its_currency(amount: str, currency: str, told: str) -> None:
    assert money(Decimal(amount), currency) == told


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("1200.00", "JPY", "¥1,200"),
        ("1200.50", "JPY", "¥1,200.50"),
        ("0.01", "JPY", "¥0.01"),
        ("300.00", "HUF", "HUF\xa0300"),
        ("300.10", "HUF", "HUF\xa0300.10"),
        ("1.25", "KWD", "KWD\xa01.250"),
    ],
)
def test_no_cent_is_hidden_though_the_currency_has_other_decimals(amount: str, currency: str, told: str) -> None:
    assert money(Decimal(amount), currency) == told


def test_it_is_rounded_half_up_and_a_zero_has_no_minus() -> None:
    assert [money(Decimal(amount), "EUR") for amount in ("0.125", "0.135", "2.665")] == ["€0.13", "€0.14", "€2.67"]
    assert [money(Decimal(amount), "JPY") for amount in ("-0", "-0.00", "-0.004")] == ["¥0", "¥0", "¥0"]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("de", "1.234,50\xa0€"),
        ("fr-ca", "1\xa0234,50\xa0€"),
        ("en-gb", "€1,234.50"),
        ("tlh", "€1,234.50"),
        (None, "€1,234.50"),
    ],
)
def test_it_reads_as_the_reader_writes_it_and_as_english_in_an_unknown_language(
    language: str | None, told: str
) -> None:
    with override(language):
        assert money(Decimal("1234.50"), "EUR") == told


def test_without_a_currency_it_is_in_the_shops(settings: Settings) -> None:
    settings.CURRENCY = "GBP"
    assert money(Decimal(5), "") == "£5.00"


def test_a_code_that_is_no_currency_is_shown_as_it_is() -> None:
    assert money(Decimal(5), "XQZ") == "XQZ\xa05.00"


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        ({}, ""),
        ({"EUR": "14"}, "€14.00"),
        ({"EUR": "14", "JPY": "900"}, "€14.00 and ¥900"),
        ({"EUR": "14", "JPY": "900", "CHF": "7"}, "€14.00, ¥900 and CHF\xa07.00"),
    ],
)
def test_amounts_in_several_currencies_are_listed(totals: dict[str, str], told: str) -> None:
    assert amounts({currency: Decimal(total) for currency, total in totals.items()}) == told
