"""The sentences that the histories of orders keep: each stands beside what writes it."""

from orders.services.adoption import documents, following
from orders.services.bulk import jobs
from orders.services.fulfilment import cancelling, returning, shipping
from orders.services.lifecycle import allowed_transitions, erasing_many, expiry, late_verification
from orders.services.reporting import snoozing
from orders.services.stock import claims, inventory_calls, product_locks, resolution

SENTENCES_OF_HISTORIES = (
    documents.SINCE, documents.FILLED, following.FOLLOWED,
    cancelling.CANCELLED, returning.NOT_RESTOCKED, returning.NOT_TOLD, shipping.TRACKED,
    erasing_many.TOO_OLD, expiry.UNPAID,
    allowed_transitions.CANNOT, allowed_transitions.CAN_BECOME, allowed_transitions.FINAL,
    resolution.NOT_RELEASED, late_verification.KNOWN, snoozing.SNOOZED,
    claims.ABANDONED, claims.INTERRUPTED, inventory_calls.RELEASED_LESS, product_locks.NOT_SENT,
    product_locks.NO_TIME, product_locks.NO_LOCK, product_locks.OTHERS, product_locks.THOSE_BEFORE,
    jobs.OF_RUN,
)  # fmt: skip
