"""Who calls: bearers of good and of bad tokens, and sessions of the backoffice."""

import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Permission, User
from django.test import Client

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
STAFF = ("nobody", "looker", "Support", "Fulfilment", "Finance", "Manager", "superuser")
"""Sessions of the roles of :mod:`tests.functional.admin_helpers`; `nobody` is staff without a permission, and
`looker` may see orders."""

API_OUTSIDERS = ("no token", *BAD_TOKENS, *STAFF)
API_CALLERS = (*API_OUTSIDERS, *GOOD_TOKENS)
ADMIN_OUTSIDERS = (
    "anonymous",
    "session of a customer",
    "inactive superuser",
    *(f"token of {who}" for who in GOOD_TOKENS),
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
    token = (BAD_TOKENS | GOOD_TOKENS)[name]()
    return Client(headers={"Authorization": f"Bearer {token}"}, **options)
