"""`python -m tests.bench.observability`: what logs and metrics add to a GET of an order, without sockets.

Each round is two processes of their own: one with the middleware that only hands request ids on, and one with the log
line (JSON, to nowhere), the metrics (in files, as under gunicorn) and the measuring of MongoDB's commands.
"""

import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devtools.embedded_mongo import EmbeddedMongo

ROOT = Path(__file__).parents[2]
ROUNDS, REQUESTS = 3, 1500
MOST_RATIO = 1.3


class OnlyIds:
    """The least that there could be instead."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        from observability.context import request_id

        token = request_id.set(request.headers.get("X-Request-ID", ""))
        try:
            return self.get_response(request)
        finally:
            request_id.reset(token)


def measure(observed: bool) -> dict[str, float]:
    """Microseconds of processor time of one GET of an order: the fastest tenth's slowest, and the median."""
    from observability import processes

    if observed:
        processes.begin()
    import django
    from django.conf import settings

    settings.AUTH_STUB = True
    settings.LOGGING["handlers"]["stderr"]["stream"] = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    settings.LOGGING["formatters"]["line"]["name"] = "json"
    if not observed:
        settings.MIDDLEWARE[0] = "tests.bench.observability.OnlyIds"
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler

    from orders.storage.order_writes import orders
    from tests.functional.admin_helpers import stored

    order = stored()
    orders().insert_one(order)
    ask(WSGIHandler(), f"/api/v1/orders/{order['_id']}", 200)
    took = sorted(ask(WSGIHandler(), f"/api/v1/orders/{order['_id']}", REQUESTS))
    logging.shutdown()
    return {"p10": took[len(took) // 10], "median": took[len(took) // 2]}


def ask(handler: Any, path: str, times: int) -> list[float]:
    took = []
    statuses: list[str] = []
    for _ in range(times):
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_AUTHORIZATION": "Bearer 1",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
        }
        began = time.thread_time()
        response = handler(environ, lambda status, _headers: statuses.append(status))
        body = b"".join(response)
        response.close()
        took.append((time.thread_time() - began) * 1e6)
        assert statuses[-1] == "200 OK", body
    return took


def main() -> int:
    """Return 1 if it adds too much."""
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as directory, EmbeddedMongo(Path(directory) / "mongo") as mongo:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "orders_project.settings.test", "MONGODB_URI": mongo.uri}
        for _ in range(ROUNDS):
            for name in ("bare", "observed"):
                command = [sys.executable, "-m", "tests.bench.observability", name]
                done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
                found = json.loads(done.stdout)
                best[name] = min(best.get(name, found), found, key=lambda one: float(one["p10"]))
                sys.stdout.write(f"{name:<10} p10 {found['p10']:8.0f} µs   median {found['median']:8.0f} µs\n")
    ratio = best["observed"]["p10"] / best["bare"]["p10"]
    added = best["observed"]["p10"] - best["bare"]["p10"]
    sys.stdout.write(f"adds {added:.0f} µs to a GET of an order: ratio {ratio:.2f} (at most {MOST_RATIO})\n")
    return 0 if ratio <= MOST_RATIO else 1


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(measure(sys.argv[1] == "observed")))
        sys.exit(0)
    sys.exit(main())
