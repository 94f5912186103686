"""Settings of logs and metrics."""

from typing import Any

from observability.logs import FORMATS, LEVELS, configuration, default_format
from orders_project.settings.env import Environment


def observability(env: Environment) -> dict[str, Any]:
    """The settings by name; see docs/settings.md."""
    format_name = env.text("LOG_FORMAT", default_format())
    if format_name not in FORMATS:
        env.problems.append(f"LOG_FORMAT={format_name!r} must be one of: {', '.join(FORMATS)}")
        format_name = default_format()
    level = env.text("LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        env.problems.append(f"LOG_LEVEL={level!r} must be one of: {', '.join(LEVELS)}")
        level = "INFO"
    return {
        "LOG_FORMAT": format_name,
        "LOGGING": configuration(format_name, level, client_of="orders.api.client_address.client_address"),
        "METRICS_HOST": env.text("METRICS_HOST", "127.0.0.1"),
        "METRICS_PORT": env.integer("METRICS_PORT", 0, most=65535),
        "METRICS_TOKEN": env.text("METRICS_TOKEN"),
        "WORKER_METRICS_PORT": env.integer("WORKER_METRICS_PORT", 0, most=65535),
        "WORKER_SEEN_WITHIN": env.integer("WORKER_SEEN_WITHIN", 30, least=5),
    }
