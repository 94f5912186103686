"""The only room that speaks to MongoDB: reads, guarded writes, leases. What is common to all is exported here."""

from orders.storage.database import DATABASE_ERRORS, is_outage, new_id, time_limit

__all__ = ["DATABASE_ERRORS", "is_outage", "new_id", "time_limit"]
