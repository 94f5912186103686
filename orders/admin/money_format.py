"""Money as people read it: an amount with its currency, in the reader's language."""

import re
from collections.abc import Mapping
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision
from django.conf import settings
from django.utils.translation import gettext

from orders.admin.local_formats import reader_locale
from orders.models import to_cents

CENTS = 2
"""Decimals of every stored amount, whatever its currency has."""
_LETTER_MEETS_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def money(amount: Decimal, currency: str) -> str:
    """An amount in its currency, e.g. `€1,234.50`, rounded half-up to cents.

    It has the decimals that are usual for the currency, and those of the amount where a currency has fewer: 1200.00 JPY
    is `¥1,200`, 1200.50 JPY is `¥1,200.50` and 1.25 KWD is `KWD 1.250`.

    :param currency: ISO 4217; empty is the shop's.
    """
    currency = currency or settings.CURRENCY
    cents = to_cents(amount) + 0  # no minus before a zero
    usual = get_currency_precision(currency) >= CENTS or cents == cents.to_integral_value()
    text = format_currency(cents, currency, locale=reader_locale(), currency_digits=usual)
    return _LETTER_MEETS_DIGIT.sub("\xa0", text)  # CLDR asks for it (CHF 12.50, but €12.50); Babel leaves it out


def amounts(totals: Mapping[str, Decimal]) -> str:
    """Amounts by their currencies in a row, e.g. `€14.00, ¥900 and CHF 7.00`."""
    *others, last = [money(total, currency) for currency, total in totals.items()] or [""]
    return gettext("%(several)s and %(last)s") % {"several": ", ".join(others), "last": last} if others else last
