"""What is sent to a webhook endpoint, and the secret that signs it.

Both follow the Standard Webhooks specification (https://www.standardwebhooks.com).
"""

import base64
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from standardwebhooks import Webhook

SECRET_BYTES = 32


def new_secret() -> str:
    """A secret."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def signed_message(
    endpoint: Mapping[str, Any], message_id: str, event: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """What :func:`integrations.webhook_calls.post` is to send."""
    body = orjson.dumps(event, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)
    signatures = (Webhook(secret).sign(message_id, now, body.decode()) for secret in endpoint["secrets"])
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "order-service",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return {"url": endpoint["url"], "headers": headers, "body": body, "insecure": settings.WEBHOOKS_INSECURE}
