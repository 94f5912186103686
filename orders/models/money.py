"""Money: Decimal, in cents."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def to_cents(amount: Decimal) -> Decimal:
    """Round half-up to cents. The database does not (a DecimalField stores 20.305 as it is)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
