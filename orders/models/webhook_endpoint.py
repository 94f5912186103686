"""Where events are delivered to."""

from django.db import models
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_mongodb_backend.fields import ArrayField


class EndpointState(models.TextChoices):
    """What can be said of an endpoint in a word."""

    ON = "on", pgettext_lazy("webhook", "On")
    FAILING = "failing", pgettext_lazy("webhook", "Failing")
    STOPPED = "stopped", pgettext_lazy("webhook", "Stopped")
    OFF = "off", pgettext_lazy("webhook", "Off")


def endpoint_state(*, active: bool, failing: bool, stopped: bool) -> EndpointState:
    """:param stopped: the service has switched it off, and nobody has said since that it is to be so."""
    if active:
        return EndpointState.FAILING if failing else EndpointState.ON
    return EndpointState.STOPPED if stopped else EndpointState.OFF


class WebhookEndpoint(models.Model):
    """An address that is sent events, each signed, in the order of the feed.

    `cursor` is the number of the last event that it has dealt with, or that was not meant for it. What
    `orders.storage.webhook_endpoints` writes besides: `lease`, `failures`, `failing_since`, `due_at`, `deliveries`.
    """

    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True, default="")
    types = ArrayField(models.CharField(max_length=64), blank=True, default=list)
    """Types of events that it is sent; empty: all."""
    active = models.BooleanField(default=True)
    secrets = ArrayField(models.CharField(max_length=100), default=list, editable=False)
    """The newest first; during a rotation there are two, and each event is signed with both."""
    cursor = models.BigIntegerField(default=0, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    """In a row."""
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Not before this moment it is called again."""
    stopped_because = models.CharField(max_length=300, blank=True, default="", editable=False)
    """Why it was switched off by the service; empty if a person did it."""
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=200, editable=False)

    class Meta:
        db_table = "webhook_endpoints"
        verbose_name, verbose_name_plural = gettext_lazy("webhook"), gettext_lazy("webhooks")
        default_permissions = ("view",)
        permissions = [("manage_webhooks", "Can manage webhooks")]

    @property
    def state(self) -> EndpointState:
        return endpoint_state(
            active=self.active, failing=self.failing_since is not None, stopped=bool(self.stopped_because)
        )

    def __str__(self) -> str:
        return self.description or self.url
