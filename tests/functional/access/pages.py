"""The pages of the backoffice, as a superuser sees them."""

from tests.functional.access.admin_rules import ADMIN_RULES
from tests.functional.access.routes import ADMIN, routes
from tests.functional.access.rules import rule_of
from tests.functional.access.stage import Stage

PLIGHTS = ("pending", "paid", "processing", "delivered", "unknown", "returnable", "parted", "held")
"""Orders on whose pages every form is, on one or another."""


def pages(stage: Stage) -> list[str]:
    """The address of each page that a superuser sees."""
    asks = [(route, ask) for route in routes() if route.kind == ADMIN for ask in rule_of(route, ADMIN_RULES).asks]
    found = []
    for route, ask in asks:
        if ask.method != "GET" or ask.answers["superuser"] != 200:
            continue
        is_order = str(route).startswith("admin:orders/order/<path") and "change" in str(route)
        for plight in PLIGHTS if is_order else [""]:
            values = stage._values(ask) | ({"object_id": stage.ids[plight]} if plight else {})
            found.append(route.address(values) + (f"?{ask.query}" if ask.query else ""))
    return list(dict.fromkeys(found))
