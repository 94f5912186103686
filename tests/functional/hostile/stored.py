"""What is stored, looked through for what none may hold."""

from typing import Any

from orders.services.text_rules import DROPPED, REFUSED
from tests.functional.access.stage import Stage


def unreadable(stage: Stage) -> list[str]:
    """The collections that hold characters which nobody can see."""
    return [name for name, documents in stage.documents().items() if any(map(_holds, documents))]


def _holds(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds, value.values()))
    if isinstance(value, list):
        return any(map(_holds, value))
    return isinstance(value, str) and bool(REFUSED.search(value) or DROPPED.search(value))
