"""The metrics that are counted as the service works; others are read from the database, see `readiness`.

Labels are bounded: routes are templates of the URL conf, codes and outcomes come from the code, never from a caller.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from observability import processes

processes.install()

registry = CollectorRegistry()
"""The metrics of this process; see :mod:`observability.exposition` for those of all."""

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("order_service_requests", "Requests answered.", ["route", "method", "status"], registry=registry)
REQUEST_SECONDS = Histogram(
    "order_service_request_duration_seconds",
    "Time until an answer was ready.",
    ["route", "method"],
    buckets=FAST,
    registry=registry,
)
PEER_CALLS = Counter(
    "order_service_peer_calls", "Attempts to ask a peer.", ["peer", "call", "outcome"], registry=registry
)
PEER_SECONDS = Histogram(
    "order_service_peer_call_duration_seconds",
    "Time that an attempt took that was made.",
    ["peer", "call"],
    buckets=FAST,
    registry=registry,
)
PEER_RETRIES = Counter("order_service_peer_retries", "Attempts after a first one.", ["peer"], registry=registry)
BREAKERS_OPEN = Gauge(
    "order_service_peer_breakers_open",
    "Processes that do not make a call, or try it out, since it failed repeatedly.",
    ["peer", "call"],
    multiprocess_mode="livesum",
    registry=registry,
)
INVENTORY_TURNS = Counter(
    "order_service_inventory_turns",
    "Turns to call inventory for a product, where it is not atomic: taken, or none to be had in time.",
    ["outcome"],
    registry=registry,
)
TRANSITIONS = Counter(
    "order_service_order_transitions", "Orders changed by a transition.", ["transition", "via"], registry=registry
)
PLACEMENTS = Counter("order_service_placements", "Placements by how they ended.", ["outcome"], registry=registry)
WORKER_ORDERS = Counter(
    "order_service_worker_orders", "Orders that workers looked at since their stock was due.", ["result"],
    registry=registry,
)  # fmt: skip
WEBHOOK_DELIVERIES = Counter(
    "order_service_webhook_deliveries", "Events sent to webhook endpoints, by result.", ["result"], registry=registry
)
WORKER_PASSES = Counter("order_service_worker_passes", "Looks of a worker for what is due.", registry=registry)
WORKER_PASS_TIME = Gauge(
    "order_service_worker_last_pass_timestamp_seconds",
    "When the last such look ended.",
    multiprocess_mode="livemax",
    registry=registry,
)
