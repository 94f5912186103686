"""The only room that speaks to MongoDB: reads, guarded writes, leases. What all share is exported here."""

from orders.storage.database import Document, Expression, is_outage, new_id, time_limit, writing

__all__ = ["Document", "Expression", "is_outage", "new_id", "time_limit", "writing"]
