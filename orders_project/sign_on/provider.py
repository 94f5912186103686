"""The provider: what it announces of itself, and whether an ID token is its own, for us, and for this very log-in."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from django.conf import settings

from orders.api.key_set import KeysUnknownError, key_set
from orders_project.sign_on import unavailable, unverified

TIMEOUT = 5.0
"""Seconds to connect, and as many for the answer, of one call. A log-in makes two to four."""
LIFESPAN = 300.0
"""Seconds after which the announcement is read again. If that fails, the known one remains valid."""
LEEWAY = 60.0
"""Seconds of clock difference that are tolerated."""
SIGNED_BY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Public keys only: under a shared secret, whoever can read our settings could log in as anybody."""
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]
LONGEST_SUBJECT = 255
"""Characters, by the specification (OpenID Connect Core 1.0, section 2)."""


@dataclass(frozen=True)
class Provider:
    """Addresses of a provider; `userinfo` and `end_session` may be empty.

    :ivar issuer: exactly as its tokens name it.
    :ivar takes_basic: whether the client's secret goes into a header, not into the body.
    """

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    takes_basic: bool


_known: dict[str, tuple[float, Provider]] = {}
"""Issuer → when it was read (monotonic), and what."""


def provider() -> Provider:
    """The provider that the settings name.

    :raises SignOnRefused: it does not answer, or announces what cannot be used.
    """
    issuer = settings.OIDC_ISSUER
    read_at, known = _known.get(issuer, (0.0, None))
    if known is not None and time.monotonic() - read_at < LIFESPAN:
        return known
    try:
        answer = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT, allow_redirects=False)
        answer.raise_for_status()
        found = _announced(answer.json(), issuer)
    except (requests.RequestException, ValueError) as error:
        if known is None:
            raise unavailable(f"its configuration: {error}") from error
        found = known
    _known[issuer] = time.monotonic(), found
    return found


def forget() -> None:
    """Forget what is known, so that it is read again."""
    _known.clear()


def _announced(said: Any, issuer: str) -> Provider:
    """:raises ValueError: it cannot be used."""
    if not isinstance(said, dict) or str(said.get("issuer")).rstrip("/") != issuer:
        raise ValueError("it is that of another issuer than OIDC_ISSUER")
    methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Provider(
        issuer=said["issuer"],
        authorization=_address(said, "authorization_endpoint"),
        token=_address(said, "token_endpoint"),
        keys=_address(said, "jwks_uri"),
        userinfo=_address(said, "userinfo_endpoint", optional=True),
        end_session=_address(said, "end_session_endpoint", optional=True),
        takes_basic="client_secret_post" not in methods,
    )


def _address(said: dict[str, Any], name: str, *, optional: bool = False) -> str:
    """An endpoint, over TLS wherever the issuer is."""
    found = said.get(name)
    if found is None and optional:
        return ""
    if not isinstance(found, str) or urlsplit(found).scheme not in {"https", urlsplit(settings.OIDC_ISSUER).scheme}:
        raise ValueError(f"its {name} is no https address")
    return found


def verified(token: object, *, nonce: str) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7).

    :raises SignOnRefused: it is not the provider's, not for us, not for this log-in, or has expired; or its keys cannot
        be fetched.
    """
    known = provider()
    try:
        claims = _decoded(str(token), known)
    except KeysUnknownError as error:
        raise unavailable("its keys cannot be fetched") from error
    except jwt.PyJWTError as error:
        raise unverified(f"the ID token: {str(error)[:200]}") from error
    if claims["nonce"] != nonce:
        raise unverified("the ID token: of another log-in (nonce)")
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if set(audience) != {settings.OIDC_CLIENT_ID} or claims.get("azp", settings.OIDC_CLIENT_ID) not in audience:
        raise unverified("the ID token: for others, too (aud, azp)")
    if not (0 < len(claims["sub"]) <= LONGEST_SUBJECT and claims["sub"].isprintable()):
        raise unverified("the ID token: its subject is empty, too long or unreadable")
    return claims


def _decoded(token: str, known: Provider) -> dict[str, Any]:
    key = key_set(known.keys).key(jwt.get_unverified_header(token).get("kid"))
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=SIGNED_BY,
        audience=settings.OIDC_CLIENT_ID,
        issuer=known.issuer,
        leeway=LEEWAY,
        options={"require": REQUIRED},
    )
    return claims
