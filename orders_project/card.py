"""The short card that `manage.py quickstart` prints when everything is up."""

import shlex
import time
import uuid
from typing import Any

import jwt
import orjson
from django.conf import settings
from django.urls import reverse

from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS
from orders_project import demo

TOKEN_LIFE = 30 * 24 * 3600
"""Seconds; the tokens on the card are for development."""


def token(subject: str, **claims: Any) -> str:
    """An access token like those of the user service, signed with the shared key that this service verifies with."""
    payload = {"sub": subject, "exp": int(time.time()) + TOKEN_LIFE, "type": "access", **claims}
    asked_for = {"iss": settings.JWT_ISSUER, "aud": settings.JWT_AUDIENCE}
    payload |= {name: value for name, value in asked_for.items() if value}
    return jwt.encode(payload, settings.JWT_SHARED_KEY or settings.SECRET_KEY, algorithm="HS256")


def quickstart_card(base_url: str) -> str:
    """Addresses, logins, tokens, and a request to paste. :param base_url: without a slash at its end."""
    api = f"{base_url}{settings.API_PREFIX}"
    customer = CUSTOMERS[0]
    customer_token = token(str(customer.user_id))
    admin_token = token("admin", **{settings.JWT_ADMIN_CLAIM: settings.JWT_ADMIN_VALUES[0]})
    logins = ", ".join([demo.SUPERUSER, *demo.STAFF])
    return f"""
{settings.PROJECT_NAME} is up.

  API      {api}/orders/
  Docs     {api}/docs
  Admin    {base_url}{reverse("admin:index")}
  Logins   {logins} (each one's password is its name)

  Token of customer {customer.user_id}, {customer.full_name}:
  {customer_token}

  Token of an admin:
  {admin_token}

Place an order:

{_curl(f"{api}/orders/", customer_token, str(customer.user_id))}
"""


def _curl(url: str, bearer: str, user_id: str) -> str:
    product = PRODUCTS[0]
    body = {
        "user_id": user_id,
        "items": [{"product_id": product.product_id, "quantity": 1, "price": product.price}],
        "shipping_address": {
            "line1": "1 Harbour Lane",
            "city": "Lisbon",
            "postal_code": "1100-053",
            "country": "Portugal",
        },
    }
    key = f"Idempotency-Key: {uuid.uuid4()}"
    headers = (f"Authorization: Bearer {bearer}", "Content-Type: application/json", key)
    parts = [
        "curl",
        "-i",
        url,
        *(part for header in headers for part in ("-H", header)),
        "-d",
        orjson.dumps(body).decode(),
    ]
    return shlex.join(parts)
