"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost.

Each code passes once, whoever comes with it at the same time: one guarded write takes it. Tries are counted before a
code is looked at, so that no more are looked at than may fail. Why it is made here: docs/adr/0013-second-factor.md.
"""

import math
from hashlib import sha256

import pyotp
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils import timezone
from django.utils.crypto import get_random_string
from pyotp.exceptions import OTPVerificationError

from orders.storage import rate_counters
from orders_project.log_ins import COUNTERS
from orders_project.models import RecoveryCode, SecondFactor, SignIn

OFF, REQUIRED = "off", "required"
WINDOW = 1
"""Steps of 30 seconds by which an app's clock may be off."""
CODES, LENGTH, GROUP = 10, 16, 4
"""How many recovery codes there are, of how many letters, written in groups of how many."""
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None looks like another. Sixteen of them are 79 random bits, which no hash gives away."""


class TooManyCodes(Exception):
    """No more codes of this person are looked at for a while. :ivar wait: seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = math.ceil(wait)


def is_offered() -> bool:
    return bool(settings.STAFF_TWO_FACTOR != OFF)


def is_asked_of(user: User) -> bool:
    """Whether this person's password is not enough."""
    return is_offered() and SecondFactor.objects.filter(pk=user.pk).exists()


def is_missing(user: User, sign_in: SignIn) -> bool:
    """Whether somebody who came in by a password alone must set up a second factor before anything else."""
    if settings.STAFF_TWO_FACTOR != REQUIRED or sign_in.way != SignIn.Way.PASSWORD:
        return False
    roles = settings.STAFF_TWO_FACTOR_ROLES
    return not roles or user.is_superuser or user.groups.filter(name__in=roles).exists()


def take(user: User, typed: str) -> SignIn.Way | None:
    """Use up a code of the app, or a recovery code. :returns: which it was; None if it is none, or was used before.

    :raises TooManyCodes: it was not looked at.
    """
    key = f"{COUNTERS}code {user.pk}"
    wait = rate_counters.spend(key, limit=settings.LOG_IN_FAILURES, period=settings.LOG_IN_COOL_OFF).wait
    if wait:
        raise TooManyCodes(wait)
    code = _plain(typed)
    if _take_of_app(user, code):
        way = SignIn.Way.CODE
    elif RecoveryCode.objects.filter(pk=_key(user, code)).delete()[0] == 1:
        way = SignIn.Way.RECOVERY
    else:
        return None
    rate_counters.forget(key)
    return way


def _take_of_app(user: User, code: str) -> bool:
    factor = SecondFactor.objects.filter(pk=user.pk).first()
    step = factor and step_of(factor.secret, code)
    return bool(step) and SecondFactor.objects.filter(pk=user.pk, last_step__lt=step).update(last_step=step) == 1


def step_of(secret: str, code: str) -> int | None:
    """The time step of which this is the code of a secret, if it is one of now or next to it."""
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code, valid_window=WINDOW)
    except OTPVerificationError:
        return None


# --- setting it up, and taking it away ---


def new_secret() -> str:
    """In base32, as apps take it."""
    return pyotp.random_base32()


def address_of(secret: str, user: User) -> str:
    """What the QR code says to an app."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.get_username(), issuer_name=settings.PROJECT_NAME)


def set_up(user: User, secret: str, typed: str) -> list[str]:
    """Turn it on, if the app shows the right code.

    :returns: new recovery codes; none if the code is wrong, or it was turned on meanwhile.
    """
    step = step_of(secret, _plain(typed))
    if step is None:
        return []
    try:
        SecondFactor.objects.create(user=user, secret=secret, last_step=step, since=timezone.now())
    except IntegrityError:
        return []
    return renew_recovery_codes(user)


def renew_recovery_codes(user: User) -> list[str]:
    """:returns: the new ones, which are the only ones from now on."""
    RecoveryCode.objects.filter(user=user).delete()
    codes = [get_random_string(LENGTH, LETTERS) for _ in range(CODES)]
    RecoveryCode.objects.bulk_create([RecoveryCode(key=_key(user, code), user=user) for code in codes])
    return ["-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP)) for code in codes]


def recovery_codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user).count()


def remove(user: User) -> bool:
    """Turn it off. :returns: whether it was on."""
    RecoveryCode.objects.filter(user=user).delete()
    return bool(SecondFactor.objects.filter(pk=user.pk).delete()[0])


def _plain(typed: str) -> str:
    """A code without what people type between its groups; empty if it can be none."""
    code = "".join(typed.lower().split()).replace("-", "")
    return code if code.isascii() else ""


def _key(user: User, code: str) -> str:
    return sha256(f"{user.pk} {code}".encode()).hexdigest()
