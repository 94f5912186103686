"""What migrations of a collection of any size need. (Django takes no module with an underscore for a migration.)"""

import pymongo
from django.db import DatabaseError, migrations
from pymongo.errors import PyMongoError

from orders.migrations._existing import conflict

ENOUGH = 24 * 3600
"""Seconds. An index over a million orders takes longer than MONGODB_TIMEOUT_MS gives an operation."""


class Slow(migrations.Migration):
    """A migration that may take its time, there and back."""

    def apply(self, *args, **kwargs):
        try:
            with pymongo.timeout(ENOUGH):
                return super().apply(*args, **kwargs)
        except (DatabaseError, PyMongoError) as error:
            if told := conflict(error):
                raise told from error
            raise

    def unapply(self, *args, **kwargs):
        with pymongo.timeout(ENOUGH):
            return super().unapply(*args, **kwargs)


def drop_index(database, collection, name):
    """Drop an index; none that is missing, as after a migration that was cut off."""
    if name in database[collection].index_information():
        database[collection].drop_index(name)
