"""The keys by which a client may repeat a placement without placing it twice."""

from django.db import models
from django_mongodb_backend.fields import ObjectIdField


class IdempotencyKey(models.Model):
    """One caller's key: which order it stands for, and until when an attempt under it may be under way."""

    id = models.CharField(primary_key=True, max_length=64, db_column="_id")
    """SHA-256 of (caller, key), in hex: a key means something only together with who sent it."""
    fingerprint = models.CharField(max_length=64)
    order_id = ObjectIdField()
    attempt = models.CharField(max_length=32)
    until = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "idempotency_keys"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.id[:8]}… for order {self.order_id}"
