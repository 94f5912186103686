"""The only room that speaks to MongoDB: reads, guarded writes, leases. What is common to all is exported here."""

from orders.storage.database import Expression, is_outage, new_id, time_limit, writing

__all__ = ["Expression", "is_outage", "new_id", "time_limit", "writing"]
