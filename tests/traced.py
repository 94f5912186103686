"""Which tests coverage measures: it makes them take almost twice as long, and those of edges would add little."""

import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_FILES = ("import_orders", "import_shops", "adopt_orders", "export_orders", "purge_old_records")
RULES = ("tests/unit", "tests/integration", *(f"tests/functional/test_{name}.py" for name in OF_FILES))
"""Where the rules are tested, those of files through their commands; what only other edges notice is a hole."""
THROUGH_EDGES = (
    "attention_page", "bulk_api", "bulk_runs_admin", "check_peers", "erase_customer", "event_troubles", "events_page",
    "foreign_orders", "health", "list_parameters", "listing", "metrics", "rate_limits", "webhooks_admin",
    "webhooks_api",
)  # fmt: skip
"""What runs the branches of services that the tests of rules do not."""
TRACED = (*RULES, *(f"tests/functional/test_{name}.py" for name in THROUGH_EDGES))
ALL = os.environ.get("TRACED") == "all"


@cache
def is_traced(path: Path) -> bool:
    """Whether the tests in a file are measured: all are with TRACED=all (`make coverage`)."""
    return ALL or any(path.is_relative_to(ROOT / tested) for tested in TRACED)
