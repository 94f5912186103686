"""Is the service alive, and can it work?"""

from collections.abc import Callable
from functools import partial

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from django_mongodb_backend.query import wrap_database_errors
from pymongo import timeout

from integrations import inventory, products, users
from integrations.deadline import Deadline
from integrations.errors import PeerError
from integrations.parallel import gather
from orders.models.database import database

PATIENCE = 2.0
"""Seconds that each check may take."""
NOTHING = "0" * 24
"""An id of no product: any answer to it, 404 included, says that the peer is there."""


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """GET /health: the process answers."""
    return JsonResponse({"status": "ok", "service": "order-service"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """GET /health/ready: 503 without MongoDB; without a peer 200 and `degraded`: orders can be read and changed."""
    mongodb = _database_answers()
    deadline = Deadline.after(PATIENCE)
    checks: dict[str, Callable[..., object]] = {
        "users": partial(users.verify, "0"),
        "products": partial(products.fetch, NOTHING),
        "inventory": partial(inventory.stock, NOTHING),
    }
    answers = gather(*(partial(check, deadline=deadline, retries=False) for check in checks.values()))
    peers = {
        name: "down" if isinstance(answer, PeerError) else "up" for name, answer in zip(checks, answers, strict=True)
    }
    status = "unavailable" if not mongodb else "degraded" if "down" in peers.values() else "ok"
    body = {"status": status, "service": "order-service", "mongodb": "up" if mongodb else "down", "peers": peers}
    return JsonResponse(body, status=200 if mongodb else 503)


def _database_answers() -> bool:
    try:
        _ping()
    except DatabaseError:
        return False
    return True


@wrap_database_errors
def _ping() -> None:
    with timeout(PATIENCE):
        database().command("ping")
