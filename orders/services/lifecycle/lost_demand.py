"""What customers wanted and did not get, since too little was in stock: counted for the dashboard."""

import logging
from collections.abc import Mapping
from datetime import datetime

from django.db import DatabaseError

from orders.services.days import day_of
from orders.storage import time_limit, turned_away
from orders.storage.daily_figures import day_key

logger = logging.getLogger(__name__)

LONGEST = 0.1
"""Seconds that counting may add to a refusal."""


def count_turned_away(wanted: Mapping[str, int], *, at: datetime) -> None:
    """Count an order that was refused for want of stock, if that can be done at once; it never fails.

    :param wanted: units by product, of those that were short.
    """
    try:
        with time_limit(LONGEST):
            turned_away.add(day_key(day_of(at)), wanted)
    except DatabaseError as error:
        logger.info("an order that was turned away could not be counted: %s", error)
