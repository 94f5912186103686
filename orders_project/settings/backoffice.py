"""How the backoffice looks, and what its sidebar leads to."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

FEED = ("orders_order_events", "orders_order_event")


def account_links(request: Any) -> list[dict[str, Any]]:
    """What the menu of the account leads to; it has no other entry but the log-out."""
    links = [{"title": _("Sessions and security"), "link": reverse_lazy("admin:account")}]
    if request.user.is_authenticated and request.user.has_usable_password():
        links.append({"title": _("Change password"), "link": reverse_lazy("admin:password_change")})
    return links


def backoffice(title: str) -> dict[str, Any]:
    """django-unfold's settings; a sidebar entry shows to those whom `permission` lets through."""

    def may(permission: str) -> Any:
        return lambda request: request.user.has_perm(permission)

    def entry(title: Any, icon: str, address: str, permission: str, **options: Any) -> dict[str, Any]:
        return {"title": title, "icon": icon, "link": reverse_lazy(address), "permission": may(permission), **options}

    def among_orders(request: Any) -> bool:
        name = request.resolver_match.url_name
        return name.startswith("orders_order_") and name not in ("orders_order_attention", "orders_order_add", *FEED)

    def among_staff(request: Any) -> bool:
        return str(request.resolver_match.url_name).startswith("colleague")

    def among_events(request: Any) -> bool:
        return request.resolver_match.url_name in FEED

    return {
        "SITE_TITLE": title,
        "SITE_HEADER": title,
        "SITE_SUBHEADER": _("Backoffice"),
        "SITE_SYMBOL": "package_2",
        "SITE_URL": None,
        "SHOW_HISTORY": False,
        "SHOW_LANGUAGES": True,
        "SHOW_VIEW_ON_SITE": False,
        "BORDER_RADIUS": "6px",
        "DASHBOARD_CALLBACK": "orders.admin.dashboard.fill",
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("orders/icon.svg")}],
        "STYLES": [lambda request: static("orders/backoffice.css")],
        "ACCOUNT": {"navigation": account_links},
        "SCRIPTS": [lambda request: static("orders/unsent_form.js")],
        "SIDEBAR": {
            "show_search": True,
            "command_search": True,
            "show_all_applications": False,
            "navigation": [
                {
                    "items": [
                        entry(_("Dashboard"), "dashboard", "admin:index", "orders.view_order"),
                        entry(
                            _("Needs attention"),
                            "error",
                            "admin:orders_order_attention",
                            "orders.view_order",
                            badge="orders.admin.attention_counter.badge",
                        ),
                        entry(
                            _("Orders"),
                            "receipt_long",
                            "admin:orders_order_changelist",
                            "orders.view_order",
                            active=among_orders,
                        ),
                        entry(_("New order"), "add_circle", "admin:orders_order_add", "orders.place_for_customer"),
                        entry(_("Bulk runs"), "rule", "admin:orders_bulkrun_changelist", "orders.view_bulkrun"),
                    ],
                },
                {
                    "title": _("Integrations"),
                    "separator": True,
                    "collapsible": False,
                    "items": [
                        entry(
                            _("Events"),
                            "rss_feed",
                            "admin:orders_order_events",
                            "orders.view_order",
                            active=among_events,
                        ),
                        entry(
                            _("Webhooks"),
                            "webhook",
                            "admin:orders_webhookendpoint_changelist",
                            "orders.manage_webhooks",
                        ),
                        entry(
                            _("Service tokens"),
                            "key",
                            "admin:orders_servicetoken_changelist",
                            "orders.manage_service_tokens",
                        ),
                    ],
                },
                {
                    "title": _("Staff"),
                    "separator": True,
                    "collapsible": False,
                    "items": [
                        entry(
                            _("Colleagues"),
                            "badge",
                            "admin:colleagues",
                            "orders_project.manage_staff",
                            active=among_staff,
                        ),
                        entry(_("Users"), "person", "admin:auth_user_changelist", "auth.view_user"),
                        entry(_("Groups"), "group", "admin:auth_group_changelist", "auth.view_group"),
                    ],
                },
            ],
        },
    }
