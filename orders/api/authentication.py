"""Bearer tokens: who is calling, and whether as an admin."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from observability import context
from orders.api.access_tokens import TokenExpired, TokenInvalid, stub_claims, verified_claims
from orders.api.throttling import count_refused_token
from orders.services import access, service_tokens
from orders.services.access import Actor
from orders.services.identifiers import MalformedUserId, canonical
from orders.services.text_rules import line_problem

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which loads this module, by the settings


class BearerAuthentication(BaseAuthentication):
    """Verify `Authorization: Bearer <token>`; `request.user` becomes an :class:`Actor`.

    A token that begins with `ost_` is a service's, see :mod:`orders.services.service_tokens`; every other is a JWT.

    HS256 tokens are verified with the shared key, RS256 and ES256 ones with the key set at JWT_JWKS_URL: which key
    is used follows from the algorithm, so a public key is never taken for a shared one. Claims: `sub`, `exp` and
    `type` = "access"; the admin claim is JWT_ADMIN_CLAIM, that of scopes JWT_SCOPE_CLAIM.
    """

    @sensitive_variables("header")
    def authenticate(self, request: Request) -> tuple[Actor, Mapping[str, Any]] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1").split()
        if not header or header[0].lower() != b"bearer":
            return None
        try:
            return _known(header)
        except TokenExpired:  # a genuine token of a customer who was away; one storefront may send thousands
            raise
        except TokenInvalid:
            count_refused_token(request)
            raise

    def authenticate_header(self, request: Request) -> str:
        return f'Bearer realm="{settings.PROJECT_NAME}"'


@sensitive_variables("header", "token", "claims")
def _known(header: list[bytes]) -> tuple[Actor, Mapping[str, Any]]:
    """:raises TokenInvalid, TokenExpired: saying why the token is refused."""
    if len(header) != 2:
        raise TokenInvalid("The Authorization header must be: Bearer <token>.")
    token = header[1].decode("latin-1")
    claims: Mapping[str, Any] = {}
    if token.startswith(service_tokens.PREFIX):
        actor = _service(token)
    else:
        claims = stub_claims(token) if settings.AUTH_STUB else verified_claims(token)
        actor = _actor(claims)
    context.bind(user=actor.label)
    return actor, claims


@sensitive_variables("token")
def _service(token: str) -> Actor:
    try:
        return service_tokens.caller_with(token, at=timezone.now(), request_id=context.request_id.get() or "")
    except service_tokens.TokenOutOfTime as error:
        raise TokenExpired from error
    except service_tokens.TokenRefused as error:
        raise TokenInvalid(error.detail) from error


def _actor(claims: Mapping[str, Any]) -> Actor:
    subject, given = claims["sub"], claims.get(settings.JWT_ADMIN_CLAIM)
    values = given if isinstance(given, list) else [given]
    request = context.request_id.get() or ""
    said = {"true" if value is True else value for value in values if isinstance(value, (str, bool))}
    if line_problem(subject):  # it would be written into the history of orders
        raise TokenInvalid("The token's subject is not plain text.")
    if subject in settings.JWT_ADMIN_SUBJECTS or not said.isdisjoint(settings.JWT_ADMIN_VALUES):
        return access.admin(subject[:100], request_id=request)
    scopes = claims.get(settings.JWT_SCOPE_CLAIM) if settings.JWT_SCOPE_CLAIM else None
    if permissions := access.permissions_in(scopes):
        return access.service(subject[:100], permissions, request_id=request)
    try:
        return access.customer(canonical(subject), request_id=request)
    except MalformedUserId as error:
        raise TokenInvalid("The token's subject is not a user id.") from error


class Authenticated(BasePermission):
    """The caller must be known; `orders.services.access` decides what they may see and do."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return isinstance(request.user, Actor)


class BearerScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI document describes bearer tokens."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        text = (
            "An access token (JWT) of the shop's user service: HS256, or RS256 and ES256 where it publishes its keys. "
            "Its `sub` is the user id, its `type` is `access`, and its `exp` has not passed. Customers see and cancel "
            "their own orders; admins, as the token says, see and change all. Or the token of a service of the shop, "
            "which begins with `ost_`: its scopes say what it opens, and each operation names those that it needs "
            "(`x-scopes`: one of them)."
        )
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": text}
