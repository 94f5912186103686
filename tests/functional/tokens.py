"""Tokens that no library would write."""

import base64
import hmac
import json


def handmade(header: object, claims: object, key: bytes = b"", digest: str = "sha256") -> str:
    """A token put together by hand, signed with an HMAC: for what a library refuses to write."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.new(key, b".".join(parts), digest).digest() if key else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
