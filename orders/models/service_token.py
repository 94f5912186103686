"""The tokens of other services."""

from django.db import models
from django.utils.translation import gettext_lazy
from django_mongodb_backend.fields import ArrayField


class ServiceToken(models.Model):
    """A token by which another service of the shop calls the API, for as much as its scopes open.

    The token itself is kept nowhere: `digest` is the SHA-256 of its secret, of 256 random bits. Tokens are revoked and
    never deleted: histories name them.
    """

    name = models.CharField(max_length=64)
    """By which histories know the service; its tokens may share it, so that one can take over from another."""
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=64), default=list)
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=200, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    """To the minute or so."""
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_by = models.CharField(max_length=200, blank=True, default="", editable=False)

    class Meta:
        db_table = "service_tokens"
        verbose_name, verbose_name_plural = gettext_lazy("service token"), gettext_lazy("service tokens")
        default_permissions = ()
        permissions = [
            ("manage_service_tokens", "Can manage service tokens"),
            ("place_orders", "Can place orders for any customer"),
            ("read_events", "Can follow the feed of events"),
        ]
        indexes = [models.Index(fields=["name"], name="token_name")]

    def __str__(self) -> str:
        return self.name
