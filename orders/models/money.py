"""Money: Decimal, in cents."""

import struct
from collections.abc import Collection
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from bson import Decimal128

from orders.models.states import SHARED_CHARGES

CENT = Decimal("0.01")
HIGHEST = Decimal(10**12)
_HUNDREDTHS = (6176 - 2) << 49
"""The upper half of a Decimal128 that counts hundredths (IEEE 754-2008, binary integer decimal)."""


def to_cents(amount: Decimal) -> Decimal:
    """Round half-up to cents. The database does not (a DecimalField stores 20.305 as it is)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def worth(lines: Collection[tuple[Decimal, bool]], charges: Collection[tuple[str, Decimal]]) -> Decimal:
    """What a customer gets, in money: the lines that are kept, and the charges as far as they belong to these.

    Taxes and discounts do in the proportion in which the kept lines stand to all, shipping and fees in whole; nothing
    does where no line is kept. The same as `orders.storage.ledger` has it in its expressions.

    :param lines: what each comes to, and whether it is kept.
    :param charges: the kind and the amount of each.
    """
    ordered = sum((cost for cost, _ in lines), Decimal("0.00"))
    kept = sum((cost for cost, is_kept in lines if is_kept), Decimal("0.00"))
    if not charges:
        return kept
    if not any(is_kept for _, is_kept in lines):
        return Decimal("0.00")
    shared = sum((amount for kind, amount in charges if kind in SHARED_CHARGES), Decimal("0.00"))
    total = sum((amount for _, amount in charges), ordered)
    # Half-even, as mongod rounds.
    share = (shared * kept / ordered).quantize(CENT, rounding=ROUND_HALF_EVEN) if ordered else shared
    return max(Decimal("0.00"), min(total, kept + total - ordered - shared + share))


def is_amount(amount: Decimal) -> bool:
    """Tell whether it can be paid: above 0, in whole cents, and of no more digits than are stored."""
    return amount.is_finite() and 0 < amount < HIGHEST and amount == to_cents(amount)


def from_cents(cents: int) -> Decimal128:
    """An amount in cents as it is stored; several times faster than by way of Decimal's digits."""
    return Decimal128.from_bid(struct.pack("<QQ", abs(cents), _HUNDREDTHS | (cents < 0) << 63))


def text_of(amount: Decimal128, *, times: int = 1) -> str:
    """A stored amount, or a multiple of it, with exactly the digits that it has, e.g. `12.50`."""
    cents, unit = struct.unpack("<QQ", amount.bid)
    if unit == _HUNDREDTHS:
        cents *= times
        return f"{cents // 100}.{cents % 100:02d}"
    return f"{amount.to_decimal() * times:f}"
