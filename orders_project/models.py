"""Whom a sign-on provider vouches for, and which account of ours is theirs."""

from hashlib import sha256

from django.contrib.auth.models import User
from django.db import models


def key_of(issuer: str, subject: str) -> str:
    """The key of a person at a provider: neither part alone is one."""
    return sha256(f"{issuer}\0{subject}".encode()).hexdigest()


class StaffIdentity(models.Model):
    """A person at a provider, linked to one account.

    :ivar key: of both parts, as the document's own: nothing else is unique and found by an index at the same time.
    """

    key = models.CharField(primary_key=True, max_length=64)
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "staff_identities"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
