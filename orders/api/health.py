"""Is the service alive, and can it work?"""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from orders.services.reporting import readiness

NAME = "order-service"


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """GET /health: the process answers. Asks nobody, so that no outage elsewhere has it restarted."""
    return JsonResponse({"status": "ok", "service": NAME})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """GET /health/ready: 503 unless the database takes writes and has every migration, within about a second.

    A peer's call whose breaker is open, workers that are not seen, or events that are told late make it `degraded` and
    leave it at 200: orders can be read and changed without them, and taking every instance out for what none of them
    can help would end that too.
    """
    found = readiness.readiness()
    now = timezone.now()
    at_work, in_time = found.worker_is_at_work(now), found.tells_in_time(now)
    well = at_work and in_time and "open" not in found.breakers.values()
    body = {
        "status": "unavailable" if not found.ready else "ok" if well else "degraded",
        "service": NAME,
        "mongodb": "up" if found.database else "down",
        "migrations": {True: "applied", False: "missing", None: "unknown"}[found.migrated],
        "worker": {"status": "seen" if at_work else "missing", "last_seen": found.worker_seen},
        "events": {"status": "in_time" if in_time else "late", "waiting_since": found.untold_since},
        "peers": found.breakers,
        "orders": {"not_adopted": found.not_adopted},
    }
    return JsonResponse(body, status=200 if found.ready else 503)


urlpatterns = [path("health", health), path("health/ready", ready)]
