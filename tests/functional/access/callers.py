"""Who calls: bearers of good and of bad tokens, services with a scope each, and sessions of the backoffice."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from orders.models import ServiceToken
from orders.services import access, service_tokens
from orders.services.service_tokens import NewToken
from tests.functional.admin_helpers import PASSWORD, client_of
from tests.functional.tokens import handmade

OWNER, OTHER = "1", "2"
SHARED_KEY = "a-shared-key-a-shared-key-a-shared-key-a-shared-key"
RSA, STRANGER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
KEY_SET = {
    "keys": [
        jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "r", "use": "sig", "alg": "RS256"}
    ]
}


def claims(subject: str = OWNER, **more: Any) -> dict[str, Any]:
    return {"sub": subject, "exp": int(time.time()) + 3600, "type": "access"} | more


def signed(key: Any = RSA, subject: str = OWNER, **more: Any) -> str:
    return jwt.encode(claims(subject, **more), key, algorithm="RS256", headers={"kid": "r"})


def confused(encoding: Encoding) -> str:
    """Signed as if the public key, which everybody has, were a shared secret."""
    public = RSA.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    return handmade({"alg": "HS256", "typ": "JWT", "kid": "r"}, claims(role="admin"), public)


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "expired token": lambda: signed(exp=int(time.time()) - 3600, role="admin"),
    "wrong key": lambda: signed(STRANGER, role="admin"),
    "wrong shared key": lambda: jwt.encode(claims(role="admin"), f"{SHARED_KEY}!", algorithm="HS256"),
    "alg none": lambda: jwt.encode(claims(role="admin"), None, algorithm="none"),
    "public key (PEM) as secret": lambda: confused(Encoding.PEM),
    "public key (DER) as secret": lambda: confused(Encoding.DER),
    "refresh token": lambda: signed(type="refresh", role="admin"),
}
GOOD_TOKENS: dict[str, Callable[[], str]] = {
    "other customer": lambda: signed(subject=OTHER),
    "owner": lambda: jwt.encode(claims(), SHARED_KEY, algorithm="HS256"),
    "admin": lambda: signed(subject="staff", role="admin"),
}
SERVICES: dict[str, tuple[str, ...]] = {
    **{f"service: {scope}": (scope,) for scope in access.scopes()},
    "service: read_orders, pay_order": ("read_orders", "pay_order"),
}
"""Bearers of a service's token → its scopes."""


def made(scopes: tuple[str, ...] = tuple(access.scopes())) -> NewToken:
    return service_tokens.create(
        name="matrix", scopes=scopes, days=1, actor=access.system("tests", via="command"), at=timezone.now()
    )


def service(scopes: tuple[str, ...]) -> str:
    """A service's token; its use is not recorded, so that whoever only reads changes nothing at all."""
    new = made(scopes)
    ServiceToken.objects.filter(pk=new.token.pk).update(last_used_at=timezone.now() + timedelta(days=1))
    return new.secret


def revoked() -> str:
    new = made()
    service_tokens.revoke(new.token.pk, actor=access.system("tests", via="command"), at=timezone.now())
    return new.secret


def expired() -> str:
    new = made()
    ServiceToken.objects.filter(pk=new.token.pk).update(expires_at=timezone.now())
    return new.secret


BAD_TOKENS |= {
    "revoked service": revoked,
    "expired service": expired,
    "unknown service": lambda: f"ost_{'0' * 24}_{made().secret[29:]}",
    "service with another's secret": lambda: made().secret[:29] + made().secret[29:],
}
STAFF = ("nobody", "looker", "Support", "Fulfilment", "Finance", "Manager", "superuser")
"""Sessions of the roles of :mod:`tests.functional.admin_helpers`; `nobody` is staff without a permission, and
`looker` may see orders."""

API_OUTSIDERS = ("no token", *BAD_TOKENS, *STAFF)
API_CALLERS = (*API_OUTSIDERS, *GOOD_TOKENS, *SERVICES)
ADMIN_OUTSIDERS = (
    "anonymous",
    "session of a customer",
    "inactive superuser",
    *(f"token of {who}" for who in (*GOOD_TOKENS, *list(SERVICES)[:1])),
)
ADMIN_CALLERS = (*ADMIN_OUTSIDERS, *STAFF)


def client_for(caller: str) -> Client:
    """A client that calls as one of API_CALLERS or ADMIN_CALLERS."""
    options: dict[str, Any] = {"raise_request_exception": False}
    if caller in ("no token", "anonymous"):
        return Client(**options)
    if caller == "session of a customer":
        client = Client(**options)
        client.force_login(User.objects.create_user("customer", password=PASSWORD))
        return client
    if caller == "inactive superuser":
        client = Client(**options)
        user = User.objects.create_superuser("gone", password=PASSWORD)
        client.force_login(user)
        User.objects.filter(pk=user.pk).update(is_active=False)
        return client
    name = caller.removeprefix("token of ")
    if name == "looker":
        user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_order"))
        client = Client(**options)
        client.force_login(user)
        return client
    if name in STAFF:
        return client_of(name, **options)
    token = service(SERVICES[name]) if name in SERVICES else (BAD_TOKENS | GOOD_TOKENS)[name]()
    return Client(headers={"Authorization": f"Bearer {token}"}, **options)
