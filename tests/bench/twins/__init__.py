"""The same endpoints, no more, written three other ways, for `make bench` to compare this service with.

All read MONGODB_URI, MONGODB_DB, JWT_SHARED_KEY and the addresses of the peers from the environment, verify the same
token, and write with the same concern. None is safe: none leases, keeps a history, or knows an idempotency key.
"""
