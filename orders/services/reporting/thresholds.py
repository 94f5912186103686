"""What waits too long: the moments by which staff judge it, from the settings."""

from datetime import datetime, timedelta

from django.conf import settings

from orders.storage.criteria import Limits


def limits(at: datetime) -> Limits:
    """The moments before which an order, seen at `at`, has waited too long in its state."""

    def before(seconds: int) -> datetime:
        return at - timedelta(seconds=seconds)

    return Limits(
        paid=before(settings.SHIP_WITHIN),
        placed=before(settings.UNPAID_ORDER_TTL),
        owed=before(settings.STOCK_OWED_TOO_LONG),
    )
