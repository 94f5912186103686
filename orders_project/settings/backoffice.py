"""How the backoffice looks, and what its sidebar leads to."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

FEED = ("orders_order_events", "orders_order_event")


def backoffice(title: str) -> dict[str, Any]:
    """django-unfold's settings; a sidebar entry shows to those whom `permission` lets through."""

    def may(permission: str) -> Any:
        return lambda request: request.user.has_perm(permission)

    def entry(title: str, icon: str, address: str, permission: str, **options: Any) -> dict[str, Any]:
        return {"title": title, "icon": icon, "link": reverse_lazy(address), "permission": may(permission), **options}

    def among_orders(request: Any) -> bool:
        name = request.resolver_match.url_name
        return name.startswith("orders_order_") and name not in ("orders_order_attention", *FEED)

    def among_events(request: Any) -> bool:
        return request.resolver_match.url_name in FEED

    return {
        "SITE_TITLE": title,
        "SITE_HEADER": title,
        "SITE_SUBHEADER": "Backoffice",
        "SITE_SYMBOL": "package_2",
        "SITE_URL": None,
        "SHOW_HISTORY": False,
        "SHOW_VIEW_ON_SITE": False,
        "BORDER_RADIUS": "6px",
        "DASHBOARD_CALLBACK": "orders.admin.dashboard.fill",
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("orders/icon.svg")}],
        "STYLES": [lambda _: static("orders/backoffice.css")],
        "SCRIPTS": [lambda _: static("orders/unsent_form.js")],
        "SIDEBAR": {
            "show_search": True,
            "command_search": True,
            "show_all_applications": False,
            "navigation": [
                {
                    "items": [
                        entry("Dashboard", "dashboard", "admin:index", "orders.view_order"),
                        entry("Needs attention", "error", "admin:orders_order_attention", "orders.view_order"),
                        entry(
                            "Orders",
                            "receipt_long",
                            "admin:orders_order_changelist",
                            "orders.view_order",
                            active=among_orders,
                        ),
                        entry("Bulk runs", "rule", "admin:orders_bulkrun_changelist", "orders.view_bulkrun"),
                    ],
                },
                {
                    "title": "Integrations",
                    "separator": True,
                    "collapsible": False,
                    "items": [
                        entry(
                            "Events", "rss_feed", "admin:orders_order_events", "orders.view_order", active=among_events
                        ),
                        entry(
                            "Webhooks",
                            "webhook",
                            "admin:orders_webhookendpoint_changelist",
                            "orders.manage_webhooks",
                        ),
                        entry(
                            "Service tokens",
                            "key",
                            "admin:orders_servicetoken_changelist",
                            "orders.manage_service_tokens",
                        ),
                    ],
                },
                {
                    "title": "Staff",
                    "separator": True,
                    "collapsible": False,
                    "items": [
                        entry("Users", "person", "admin:auth_user_changelist", "auth.view_user"),
                        entry("Groups", "group", "admin:auth_group_changelist", "auth.view_group"),
                    ],
                },
            ],
        },
    }
