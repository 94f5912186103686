"""Statuses, transitions and states of runs as sentences have them, in the language that is active."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from django.utils.translation import override, pgettext_lazy

from orders.models import BulkState, Status

LANGUAGE = "en"
"""Of the API, of logs, and of what is kept."""
STATUSES = {
    Status.PLACING.value: pgettext_lazy("an order that is …", "placing"),
    Status.PENDING.value: pgettext_lazy("an order that is …", "pending"),
    Status.PAID.value: pgettext_lazy("an order that is …", "paid"),
    Status.PROCESSING.value: pgettext_lazy("an order that is …", "processing"),
    Status.SHIPPED.value: pgettext_lazy("an order that is …", "shipped"),
    Status.DELIVERED.value: pgettext_lazy("an order that is …", "delivered"),
    Status.CANCELLED.value: pgettext_lazy("an order that is …", "cancelled"),
    Status.REFUNDED.value: pgettext_lazy("an order that is …", "refunded"),
    Status.REJECTED.value: pgettext_lazy("an order that is …", "rejected"),
}
TRANSITIONS = {
    "pay": pgettext_lazy("to … an order", "pay"),
    "start_processing": pgettext_lazy("to … an order", "start processing"),
    "ship": pgettext_lazy("to … an order", "ship"),
    "deliver": pgettext_lazy("to … an order", "deliver"),
    "cancel": pgettext_lazy("to … an order", "cancel"),
    "refund": pgettext_lazy("to … an order", "refund"),
}
RUN_STATES = {
    BulkState.SELECTING.value: pgettext_lazy("a run that is …", "selecting"),
    BulkState.QUEUED.value: pgettext_lazy("a run that is …", "queued"),
    BulkState.RUNNING.value: pgettext_lazy("a run that is …", "running"),
    BulkState.PAUSED.value: pgettext_lazy("a run that is …", "paused"),
    BulkState.DONE.value: pgettext_lazy("a run that is …", "done"),
    BulkState.CANCELLED.value: pgettext_lazy("a run that is …", "cancelled"),
    BulkState.FAILED.value: pgettext_lazy("a run that is …", "failed"),
}


def in_english() -> AbstractContextManager[None]:
    """Where words are kept instead of told: they are English, whoever acts."""
    return override(LANGUAGE)


def status_word(status: str) -> str:
    """A status after "an order that is", e.g. `pending`."""
    return str(STATUSES.get(status, status))


def status_words(statuses: Iterable[str]) -> str:
    """Several of them, e.g. `paid, cancelled`."""
    return ", ".join(map(status_word, statuses))


def transition_word(name: str) -> str:
    """A transition before "an order", e.g. `start processing`."""
    return str(TRANSITIONS.get(name, name))


def run_state_word(state: str) -> str:
    """A state after "a run that is", e.g. `done`."""
    return str(RUN_STATES[state])
