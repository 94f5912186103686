"""Access tokens of the shop's user service (JWT): which are accepted, and what they say."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jwt
from django.conf import settings
from rest_framework.exceptions import APIException, AuthenticationFailed

from orders.api.key_set import KeysUnknownError, key_set
from orders.services.text_rules import cleaned

REQUIRED = ["sub", "exp", "type"]
REMEMBERED = 2048
"""Tokens whose verified signature is remembered, for as long as their key is accepted."""


class KeysUnavailable(APIException):
    """The keys that tokens are verified with cannot be fetched."""

    status_code = 503
    default_code = "keys_unavailable"
    default_detail = "The keys that verify tokens cannot be fetched right now. Try again."
    wait = 5
    """Seconds after which to try again."""


class TokenInvalid(AuthenticationFailed):
    """There is no valid token; `detail` says why."""

    default_code = "token_invalid"
    challenge = {"error": "invalid_token", "error_description": "The token is not valid."}
    """Parameters of WWW-Authenticate (RFC 6750 section 3): fixed texts, since `detail` may quote the token."""


class TokenExpired(AuthenticationFailed):
    """The signature is valid, but the token has expired: the caller needs a new one."""

    default_code = "token_expired"
    default_detail = "The token has expired."
    challenge = {"error": "invalid_token", "error_description": default_detail}


def verified_claims(token: str) -> Mapping[str, Any]:
    """What a token says. :raises TokenInvalid, TokenExpired, KeysUnavailable:"""
    try:
        algorithm = _header(token).get("alg")
        claims = _decoded(token, _key_for(algorithm, token), str(algorithm), settings.JWT_ISSUER, settings.JWT_AUDIENCE)
        if int(claims["exp"]) <= time.time() - settings.JWT_LEEWAY:
            raise jwt.ExpiredSignatureError
    except jwt.ExpiredSignatureError as error:
        raise TokenExpired from error
    except jwt.PyJWTError as error:
        said = cleaned(str(error))[:200]  # it may quote the token
        raise TokenInvalid(f"The token is not valid: {said}.") from error
    if claims["type"] != "access":
        raise TokenInvalid("Only an access token opens this API.")
    return claims


@lru_cache(REMEMBERED)
def _header(token: str) -> Mapping[str, Any]:
    return jwt.get_unverified_header(token)


@lru_cache(REMEMBERED)
def _decoded(token: str, key: Any, algorithm: str, issuer: str, audience: str) -> Mapping[str, Any]:
    """The claims of a token signed with this key, cached by both; expiry is checked by the caller."""
    return jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        issuer=issuer or None,
        audience=audience or None,
        leeway=settings.JWT_LEEWAY,
        options={"require": REQUIRED, "verify_aud": bool(audience)},
    )


def _key_for(algorithm: object, token: str) -> Any:
    """The key for a token's algorithm. :raises jwt.PyJWTError: there is none."""
    if algorithm == "HS256":
        shared = settings.JWT_SHARED_KEY or (None if settings.JWT_JWKS_URL else settings.SECRET_KEY)
        if shared:
            return shared
    elif algorithm in ("RS256", "ES256") and settings.JWT_JWKS_URL:
        return _public_key(token)
    raise jwt.InvalidAlgorithmError("its algorithm is not accepted here")


def _public_key(token: str) -> Any:
    try:
        return key_set(settings.JWT_JWKS_URL).key(_header(token).get("kid"))
    except KeysUnknownError as error:
        raise KeysUnavailable from error


def stub_claims(token: str) -> dict[str, Any]:
    """Development without a user service (AUTH_STUB): the token is the user id, or `admin`."""
    return {"sub": token, settings.JWT_ADMIN_CLAIM: "admin" if token == "admin" else ""}  # noqa: S105
