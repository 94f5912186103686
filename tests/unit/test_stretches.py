"""Days put together to weeks: the last one is whole, and what is not known of a day is left out of its week."""

from datetime import date, timedelta
from decimal import Decimal

from orders.services.reporting.shop_figures import Day, Money, Stretch, stretches

FIRST = date(2026, 3, 1)


def test_weeks_end_with_the_period_and_the_first_is_what_is_left() -> None:
    days = [Day(FIRST + timedelta(days=number), number, Money(paid=Decimal(number))) for number in range(9)]
    first, last = stretches(days, 7)
    assert (str(first), first.orders, first.money) == ("2026-03-01 – 2026-03-02", 1, Money(paid=Decimal(1)))
    assert (str(last), last.orders, last.money) == ("2026-03-03 – 2026-03-09", 35, Money(paid=Decimal(35)))
    assert [str(one) for one in stretches(days[:2], 1)] == ["2026-03-01", "2026-03-02"]


def test_a_week_is_what_is_known_of_its_days() -> None:
    known = Day(FIRST + timedelta(days=1), 3, Money(refunded=Decimal(2), owed=Decimal(1)))
    assert stretches([Day(FIRST), known, Day(FIRST + timedelta(days=2))], 7) == [
        Stretch(FIRST, FIRST + timedelta(days=2), 3, known.money)
    ]
    assert stretches([Day(FIRST), Day(FIRST + timedelta(days=1))], 7)[0].orders is None
