"""The record of a run over many orders."""

from collections.abc import Collection
from typing import Any, Self

from django.db import models
from django.db.models import TextChoices
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.fields import EmbeddedModelField

from orders.models.parts import Attempt


class BulkState(TextChoices):
    """The state of a run. A paused one goes on at `paused_until` if set, otherwise when a person resumes it."""

    SELECTING = "selecting", pgettext_lazy("bulk run", "Selecting")
    QUEUED = "queued", pgettext_lazy("bulk run", "Queued")
    RUNNING = "running", pgettext_lazy("bulk run", "Running")
    PAUSED = "paused", pgettext_lazy("bulk run", "Paused")
    DONE = "done", pgettext_lazy("bulk run", "Done")
    CANCELLED = "cancelled", pgettext_lazy("bulk run", "Cancelled")
    FAILED = "failed", pgettext_lazy("bulk run", "Failed")


OPEN_STATES = (BulkState.SELECTING, BulkState.QUEUED, BulkState.RUNNING, BulkState.PAUSED)
"""States of an unfinished run."""


class OrderOutcome(TextChoices):
    """The outcome of one order of a run."""

    WAITING = "waiting", _("Remaining")
    DONE = "done", _("Done")
    ALREADY = "already", _("Already done")
    REFUSED = "refused", _("Skipped")
    FAILED = "failed", _("Failed")


class BatchState(TextChoices):
    """A batch waits, is claimed under a lease by one process, or is done."""

    WAITING = "waiting", "Waiting"
    CLAIMED = "claimed", "Claimed"
    DONE = "done", "Done"


class BulkRun(models.Model):
    """One transition of many orders: who, what, which orders, and the progress.

    Its orders are in the collection `bulk_batches`, see `orders.storage.bulk_batches`. The id of a run is the
    `request_id` of what it writes into the histories of orders.
    """

    transition = models.CharField(max_length=32)
    selection = models.JSONField(default=dict)
    """As it was given, for people; see `orders.storage.bulk_orders.as_given`."""
    reason = models.CharField(max_length=500, blank=True, default="")
    reason_code = models.CharField(max_length=12, blank=True, default="")
    """See `orders.services.audit`."""
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=150)
    via = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=BulkState.choices, default=BulkState.SELECTING)
    for_worker = models.BooleanField(default=False)
    """Whether the workers execute it; otherwise the command that started or resumed it does."""
    batch_size = models.PositiveIntegerField(default=1)
    selected = models.BooleanField(default=False)
    """Whether all its orders are known, and `total` is how many there are."""
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    already = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    pauses = models.PositiveIntegerField(default=0)
    """Pauses in a row, each longer than the one before."""
    in_vain = models.PositiveIntegerField(default=0)
    """Orders in a row whose releases failed."""
    paused_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True, default="")
    attempt = EmbeddedModelField(Attempt, null=True, blank=True)
    """The claim of the process that is selecting its orders."""
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "bulk_runs"
        verbose_name, verbose_name_plural = _("bulk run"), _("bulk runs")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="bulk_newest"),
            models.Index(fields=["for_worker", "state", "created_at"], name="bulk_for_worker"),
        ]

    def __str__(self) -> str:
        return gettext("Run %(id)s") % {"id": self.pk}

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any) -> Self:
        """A run as it was stored; what is missing there reads as empty."""
        run = super().from_db(db, field_names, values, **options)
        run.reason_code = run.reason_code or ""
        return run

    @property
    def is_over(self) -> bool:
        return self.state not in OPEN_STATES

    @property
    def has_named_orders(self) -> bool:
        """Whether its orders were named; only the request that started it can record them."""
        return "orders" in self.selection

    @property
    def actor(self) -> str:
        """Who started it, as the histories name them, e.g. `staff:jane`."""
        return f"{self.actor_kind}:{self.actor_id}"

    @property
    def finished(self) -> int:
        """Orders that have an outcome."""
        return self.done + self.already + self.refused + self.failed
