"""Tokens of other services of the shop: made and revoked by people, checked at each of their requests.

A token is `ost_<id>_<secret>`: the id finds it by one indexed read, and of its secret only the SHA-256 is stored, which
suffices for 256 random bits. It is read at each request, so that a revoked one is refused from the next request on.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bson import ObjectId
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from orders.models import ServiceToken, permission_of
from orders.services import access
from orders.services.access import MANAGE_TOKENS, VIEW, Actor, NotPermitted
from orders.services.errors import OrderError, RefusalKind
from orders.storage import DATABASE_ERRORS, service_tokens

logger = logging.getLogger(__name__)

PREFIX = "ost_"
"""Of "order service token": by it, scanners find tokens that were published by mistake."""
SHAPE = re.compile(r"ost_([0-9a-f]{24})_([A-Za-z0-9_-]{43})")
SECRET_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST_NAME = 64
LONGEST_LIFE = 3650
"""Days."""
NOTED_EVERY = timedelta(minutes=1)
NOTE_TIMEOUT = 1.0
"""Seconds that recording the use of a token may take."""
_NOBODYS = hashlib.sha256(b"").hexdigest()
"""Compared with where there is no such token, so that it takes as long; no secret is empty."""

_noted: dict[ObjectId, float] = {}
"""Token → when this process last tried to record its use (monotonic)."""


class InvalidServiceToken(OrderError):
    """A token cannot be so; `errors` says why, by field."""

    code = "invalid_service_token"
    kind = RefusalKind.INVALID


class ServiceTokenNotFound(OrderError):
    code = "service_token_not_found"
    kind = RefusalKind.NOT_FOUND


class TokenRefused(OrderError):
    """There is no such token, its secret is another, or it has been revoked."""

    code = "service_token_refused"
    kind = RefusalKind.NOT_AUTHENTICATED


class TokenOutOfTime(OrderError):
    """The token is genuine, but its time is over."""

    code = "service_token_out_of_time"
    kind = RefusalKind.NOT_AUTHENTICATED


class TokenState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class NewToken:
    """:ivar secret: the whole token, which is shown this once."""

    token: ServiceToken
    secret: str


# --- managing them ---


@sensitive_variables("secret")
def create(*, name: str, scopes: Collection[str], days: int | None = None, actor: Actor, at: datetime) -> NewToken:
    """Make a token.

    :param scopes: as people write them; only such as the actor holds.
    :param days: for which it is valid; None: until it is revoked.
    :raises NotPermitted: the actor manages no tokens, or holds less than the token would, or than another token of this
        name: the name would let it act as that service.
    :raises UnknownScope, InvalidServiceToken:
    """
    actor.require(MANAGE_TOKENS)
    wanted = access.scopes_typed(scopes)
    _require_valid(name, wanted, days)
    namesakes = ServiceToken.objects.filter(name=name)
    for given in (wanted, *(token.scopes for token in namesakes)):
        _require_holding(given, actor)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    expires_at = None if days is None else at + timedelta(days=days)
    token = ServiceToken.objects.create(
        name=name,
        digest=_digest(secret),
        scopes=wanted,
        created_at=at,
        created_by=actor.label,
        expires_at=expires_at,
    )
    logger.info("service token %s (%s) was made: %s", token.pk, name, ", ".join(wanted))
    return NewToken(token, f"{PREFIX}{token.pk}_{secret}")


def list_tokens(actor: Actor) -> list[ServiceToken]:
    """All of them, the newest first. :raises NotPermitted:"""
    actor.require(MANAGE_TOKENS)
    return list(ServiceToken.objects.order_by("-pk"))


def get_token(token_id: ObjectId, actor: Actor) -> ServiceToken:
    """:raises NotPermitted, ServiceTokenNotFound:"""
    actor.require(MANAGE_TOKENS)
    found = ServiceToken.objects.filter(pk=token_id).first()
    if found is None:
        raise ServiceTokenNotFound(_("There is no service token %(token)s.") % {"token": token_id})
    return found


def revoke(token_id: ObjectId, *, actor: Actor, at: datetime) -> ServiceToken:
    """Refuse a token from now on; one that was revoked before stays as it is.

    :raises NotPermitted, ServiceTokenNotFound:
    """
    token = get_token(token_id, actor)
    if service_tokens.revoke(token_id, at=at, by=actor.label):
        logger.info("service token %s (%s) was revoked", token_id, token.name)
    return get_token(token_id, actor)


def scopes_to_give(actor: Actor) -> list[str]:
    """The scopes that an actor may give: those whose permission they hold."""
    return [scope for scope, permission in access.scopes().items() if actor.has(permission)]


def _require_holding(scopes: Collection[str], actor: Actor) -> None:
    """:raises NotPermitted: the actor does not hold all of them."""
    if missing := [scope for scope in scopes if scope not in scopes_to_give(actor)]:
        raise NotPermitted(
            _("You may not give this service scopes that you do not hold: %(scopes)s.") % {"scopes": ", ".join(missing)}
        )


def _require_valid(name: str, scopes: Collection[str], days: int | None) -> None:
    errors = {}
    if not NAME.fullmatch(name):
        text = _("A name has 1 to %(longest)d letters, digits, dots, hyphens and underscores, e.g. payments.")
        errors["name"] = [text % {"longest": LONGEST_NAME}]
    if not scopes:
        errors["scopes"] = [_("Choose at least one scope.")]
    if days is not None and not 1 <= days <= LONGEST_LIFE:
        errors["days"] = [_("It may be valid for 1 to %(longest)d days.") % {"longest": LONGEST_LIFE}]
    if errors:
        raise InvalidServiceToken(" ".join(text for texts in errors.values() for text in texts), errors=errors)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# --- checking them ---


@sensitive_variables("text", "found", "secret", "stored")
def caller_with(text: str, *, at: datetime, request_id: str = "") -> Actor:
    """The service that a token stands for.

    :raises TokenRefused, TokenOutOfTime:
    :raises DatabaseError: it cannot be looked up.
    """
    found = SHAPE.fullmatch(text)
    if found is None:
        raise TokenRefused("The token is not valid: it is not complete.")
    token_id, secret = ObjectId(found[1]), found[2]
    stored = service_tokens.find(token_id)
    is_genuine = hmac.compare_digest(_digest(secret), stored["digest"] if stored else _NOBODYS)
    if stored is None or not is_genuine:
        raise TokenRefused("The token is not valid: it is not one of this service.")
    if stored["revoked_at"]:
        raise TokenRefused("The token is not valid: it has been revoked.")
    if stored["expires_at"] and stored["expires_at"] <= at:
        raise TokenOutOfTime("The token has expired.")
    _note_use(token_id, stored["last_used_at"], at)
    return access.service(stored["name"], access.permissions_of(stored["scopes"]), request_id=request_id)


def still_may(name: str, transition: str, at: datetime) -> bool:
    """Whether a service may still make a transition of many orders, by a token that has not ended.

    One that has never had a token came with a JWT, and keeps what it was given.
    """
    tokens = list(ServiceToken.objects.filter(name=name))
    live = (token for token in tokens if state_of(token, at) is TokenState.ACTIVE)
    return not tokens or any(access.permissions_of(token.scopes) >= {VIEW, permission_of(transition)} for token in live)


def state_of(token: ServiceToken, at: datetime) -> TokenState:
    if token.revoked_at:
        return TokenState.REVOKED
    return TokenState.EXPIRED if token.expires_at and token.expires_at <= at else TokenState.ACTIVE


def _note_use(token_id: ObjectId, last: datetime | None, at: datetime) -> None:
    """Record the use of a token, now and then; a request never fails, or waits twice, for that."""
    now = time.monotonic()
    if (last and at - last < NOTED_EVERY) or now - _noted.get(token_id, float("-inf")) < NOTED_EVERY.total_seconds():
        return
    _noted[token_id] = now
    try:
        service_tokens.note_use(token_id, at, every=NOTED_EVERY, seconds=NOTE_TIMEOUT)
    except DATABASE_ERRORS as error:
        logger.warning("the use of service token %s was not recorded: %s", token_id, error)
