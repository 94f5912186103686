"""An event as everybody outside gets it, by the API, a webhook or a broker: JSON-ready."""

from typing import Any

import orjson

from orders.models import Document


def public_event(event: Document) -> dict[str, Any]:
    """An event for those who may know all of it; `order` is the JSON that was told, word by word."""
    snapshot, order_id = event.get("order"), event.get("order_id")
    return {
        "cursor": event["_id"],
        "id": event["id"],
        "type": event["type"],
        "sequence": event.get("sequence"),
        "order_id": str(order_id) if order_id else None,
        "number": event.get("number"),
        "version": event.get("version"),
        "at": event["at"],
        "actor": event["actor"],
        "data": event["data"],
        "order": orjson.Fragment(snapshot) if snapshot else None,
        "content_digest": event["content_digest"],
        "digest": event["digest"],
    }
