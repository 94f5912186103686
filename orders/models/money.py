"""Money: Decimal, in cents."""

import struct
from decimal import ROUND_HALF_UP, Decimal

from bson import Decimal128

CENT = Decimal("0.01")
HIGHEST = Decimal(10**12)
_HUNDREDTHS = (6176 - 2) << 49
"""The upper half of a Decimal128 that counts hundredths (IEEE 754-2008, binary integer decimal)."""


def to_cents(amount: Decimal) -> Decimal:
    """Round half-up to cents. The database does not (a DecimalField stores 20.305 as it is)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def is_amount(amount: Decimal) -> bool:
    """Tell whether it can be paid: above 0, in whole cents, and of no more digits than are stored."""
    return amount.is_finite() and 0 < amount < HIGHEST and amount == to_cents(amount)


def from_cents(cents: int) -> Decimal128:
    """An amount in cents as it is stored; several times faster than by way of Decimal's digits."""
    return Decimal128.from_bid(struct.pack("<QQ", cents, _HUNDREDTHS))


def text_of(amount: Decimal128, *, times: int = 1) -> str:
    """A stored amount, or a multiple of it, with exactly the digits that it has, e.g. `12.50`."""
    cents, unit = struct.unpack("<QQ", amount.bid)
    if unit == _HUNDREDTHS:
        cents *= times
        return f"{cents // 100}.{cents % 100:02d}"
    return f"{amount.to_decimal() * times:f}"
