"""What `manage.py quickstart` prints when everything is up: addresses, how to log in, how to call the API."""

import shlex
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import orjson
from django.conf import settings
from django.urls import reverse

from devtools.localhost import ROOT
from devtools.real_systems import DATABASE, PEERS
from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS
from orders_project.demo_logins import LOGINS

TOKEN_LIFE = 30 * 24 * 3600
"""Seconds that the printed tokens are good for."""
STAND_INS = {DATABASE: "MongoDB", **dict(zip(PEERS, ("users", "products", "inventory"), strict=True))}
"""What stands in for each where no setting names it."""


def token(subject: str, **claims: Any) -> str:
    """An access token like those of the user service, signed with the shared key that this service verifies with."""
    payload = {"sub": subject, "exp": int(time.time()) + TOKEN_LIFE, "type": "access", **claims}
    asked_for = {"iss": settings.JWT_ISSUER, "aud": settings.JWT_AUDIENCE}
    payload |= {name: value for name, value in asked_for.items() if value}
    return jwt.encode(payload, settings.JWT_SHARED_KEY or settings.SECRET_KEY, algorithm="HS256")


def welcome_text(base_url: str, *, real: Sequence[str] = (), keys: Sequence[str] = ()) -> str:
    """Return the text.

    :param base_url: without a slash at its end.
    :param real: the settings that name a real database or peer: nothing was loaded then, and no token is printed.
    :param keys: the settings by which tokens are real: none is printed then either.
    """
    addresses = f"""
  API      {base_url}{settings.API_PREFIX}/orders/
  Docs     {base_url}{settings.API_PREFIX}/docs
  Admin    {base_url}{reverse("admin:index")}"""
    if real:
        return _beside_real_systems(addresses, real)
    logins = f"  Logins   {', '.join(LOGINS)} (each one's password is its name)"
    parts = [
        f"{settings.PROJECT_NAME} is up.\n{addresses}\n{logins}",
        _where_tokens_come_from() if keys else _tokens_to_paste(f"{base_url}{settings.API_PREFIX}/orders/"),
    ]
    return _paragraphs(parts)


def _tokens_to_paste(url: str) -> str:
    customer = CUSTOMERS[0]
    customer_token = token(str(customer.user_id))
    admin_token = token("admin", **{settings.JWT_ADMIN_CLAIM: settings.JWT_ADMIN_VALUES[0]})
    return f"""  Token of customer {customer.user_id}, {customer.full_name}:
  {customer_token}

  Token of an admin:
  {admin_token}

Place an order:

{_curl(url, customer_token, str(customer.user_id))}"""


def _beside_real_systems(addresses: str, real: Sequence[str]) -> str:
    started = [word for name, word in STAND_INS.items() if name not in real]
    started += ["the web server"] if DATABASE in real else ["a worker", "the web server"]
    superuser = _manage("createsuperuser")
    if DATABASE in real:  # its address may carry a password, and is not repeated
        where = f"with {DATABASE} and MONGODB_DB as for this run"
    else:
        where = "while this runs"
        database = f"{DATABASE}={shlex.quote(settings.MONGODB_URI)} MONGODB_DB={shlex.quote(settings.MONGODB_DB)}"
        superuser = f"{database} {superuser}"
    parts = [
        f"{settings.PROJECT_NAME} is up, with real systems: {', '.join(real)}. Nothing was loaded.\n"
        f"{addresses}\n  Started  {', '.join(started)}",
        f"  To log in, create a superuser, {where}:\n    {superuser}",
        _where_tokens_come_from(),
    ]
    if DATABASE in real:
        inventory = "your inventory" if PEERS[-1] in real else "the sandbox"
        parts.append(
            f"  No worker was started: it would settle the orders of that database with {inventory}. If that is what\n"
            f"  you want, start one with the settings of this run:\n    {_manage('run_worker')}"
        )
    return _paragraphs(parts)


def _where_tokens_come_from() -> str:
    if settings.JWT_JWKS_URL or settings.JWT_SHARED_KEY:
        by = "a key of JWT_JWKS_URL" if settings.JWT_JWKS_URL else "JWT_SHARED_KEY"
        return f"  Tokens are those of your user service, signed with {by}; none is made here."
    return (
        "  Tokens are those of your user service: set JWT_SHARED_KEY to the key that it signs with, or JWT_JWKS_URL\n"
        "  to the address of its key set. Until then they are verified with SECRET_KEY. None is made here."
    )


def _paragraphs(parts: Sequence[str]) -> str:
    return "\n" + "\n\n".join(parts) + "\n"


def _manage(*arguments: str) -> str:
    program = Path(sys.executable)
    if program.is_relative_to(ROOT):
        program = program.relative_to(ROOT)
    return shlex.join([str(program), "manage.py", *arguments])


def _curl(url: str, bearer: str, user_id: str) -> str:
    product, customer = PRODUCTS[0], CUSTOMERS[0]
    address = {"line1": "1 Harbour Lane", "city": "Lisbon", "postal_code": "1100-053", "country": "Portugal"}
    item = {"product_id": product.product_id, "quantity": 1, "price": product.price}
    contact = {"name": customer.full_name, "email": customer.email, "phone": "+351 21 555 0142"}
    order = {"user_id": user_id, "items": [item], "shipping_address": address, "contact": contact}
    body = orjson.dumps(order | {"reference": "WEB-1001", "note": "Please ring twice."}).decode()
    headers = [f"Authorization: Bearer {bearer}", "Content-Type: application/json", f"Idempotency-Key: {uuid.uuid4()}"]
    return shlex.join(["curl", "-i", url, *(part for header in headers for part in ("-H", header)), "-d", body])
