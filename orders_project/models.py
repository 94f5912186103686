"""What is kept about staff beside their accounts: their identity at a sign-on provider, sessions and second factors."""

from hashlib import sha256

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _


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


class SignIn(models.Model):
    """One session of somebody's, from their log-in until it ends.

    :ivar way: how they came in, one of `Way`.
    :ivar address: the network that they came from, without the part that tells one machine from another.
    :ivar ended_by: the login of whoever ended it; empty while it goes on, or if it has merely run out.
    :ivar kept_until: when mongod deletes this.
    """

    class Way(models.TextChoices):
        PASSWORD = "password", _("Password")
        CODE = "code", _("Password and code")
        RECOVERY = "recovery", _("Password and recovery code")
        PROVIDER = "provider", _("Single sign-on")

    user = models.ForeignKey(User, on_delete=models.CASCADE, db_index=False)
    way = models.CharField(max_length=10, choices=Way)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, default="")
    browser = models.CharField(max_length=60)
    address = models.CharField(max_length=45)
    kept_until = models.DateTimeField()

    class Meta:
        db_table = "staff_sign_ins"
        default_permissions = ()
        verbose_name = _("sign-in")
        permissions = [("manage_staff", "Can add and manage colleagues")]
        indexes = [models.Index(fields=["user", "-began_at"], name="sign_ins_newest")]

    def __str__(self) -> str:
        return f"{self.way} at {self.began_at:%Y-%m-%d %H:%M}"


class SecondFactor(models.Model):
    """An authenticator app that knows a secret of somebody's (TOTP, RFC 6238).

    :ivar last_step: the time step of the newest code that was taken: it and all older ones are worth nothing.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True)
    secret = models.CharField(max_length=64)
    last_step = models.BigIntegerField()
    since = models.DateTimeField()

    class Meta:
        db_table = "staff_second_factors"
        default_permissions = ()

    def __str__(self) -> str:
        return f"since {self.since:%Y-%m-%d}"


class RecoveryCode(models.Model):
    """A code for once, in place of one of the app.

    :ivar key: a hash of it and of whose it is: the code itself is not kept.
    """

    key = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(User, on_delete=models.CASCADE)

    class Meta:
        db_table = "staff_recovery_codes"
        default_permissions = ()

    def __str__(self) -> str:
        return self.key[:8]
