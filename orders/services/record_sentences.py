"""The sentences that the records of bulk runs and of webhook endpoints keep: each stands beside what writes it."""

from integrations import webhook_calls
from orders.models.machine import CONDITION_WORDS
from orders.services.bulk import batches, outages, run_steps, runs, selecting
from orders.services.events import delivering

SENTENCES_OF_RECORDS = (
    batches.CHANGED_MEANWHILE, batches.FAILED_HERE, outages.NOT_RELEASED, *CONDITION_WORDS.values(),
    run_steps.INTERRUPTED, run_steps.INCOMPLETE, run_steps.NOT_PERMITTED, runs.STOPPED, runs.CANCELLED,
    outages.DATABASE_AWAY, outages.INVENTORY_AWAY, outages.REFUSED, outages.ALL_REFUSED, selecting.TOO_MANY,
    delivering.DELETED, delivering.ANSWERED_GONE, delivering.ANSWERED, delivering.GIVEN_UP,
    webhook_calls.NO_PUBLIC_ADDRESS, webhook_calls.LEADS_TO_NO_PUBLIC_ADDRESS,
)  # fmt: skip
