"""What left and what comes back, in the writes of orders: lines name a shipment, or a return, by its index.

```
shipments: [{at, carrier, tracking_number, tracking_url}]      items: [{…, shipment}]
returns: [{at, code, received_at, restocked}]                  items: [{…, returned_in, removed}]
```
"""

from collections.abc import Mapping
from datetime import datetime

from orders.models import Document
from orders.storage.database import Expression, appended, literal

SHIPMENTS: Document = {"$ifNull": ["$shipments", []]}


def shipping(at: datetime, tracking: Mapping[str, str]) -> Document:
    """The stage that adds a shipment. :param tracking: carrier, tracking_number and tracking_url."""
    return {"$set": {"shipments": appended("shipments", literal({"at": at, **tracking}))}}


def tracked(number: int, tracking: Mapping[str, str]) -> Document:
    """The stage that says where a shipment is."""
    return _with("shipments", number, tracking)


def returning(at: datetime, code: str) -> Document:
    """The stage that adds a return."""
    return {"$set": {"returns": appended("returns", literal({"at": at, "code": code}))}}


def received(number: int, at: datetime, *, restocked: bool) -> Document:
    """The stage that says what came of a return."""
    return _with("returns", number, {"received_at": at, "restocked": restocked})


def _with(name: str, number: int, members: Mapping[str, object]) -> Document:
    changed: Expression = {"$mergeObjects": [{"$arrayElemAt": [f"${name}", number]}, literal(dict(members))]}
    each = {"$cond": [{"$eq": ["$$index", number]}, changed, {"$arrayElemAt": [f"${name}", "$$index"]}]}
    return {"$set": {name: {"$map": {"input": {"$range": [0, {"$size": f"${name}"}]}, "as": "index", "in": each}}}}
