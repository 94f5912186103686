"""The API's addresses, each with and without a slash at its end."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.viewsets import ViewSet

from orders.api import problem_pages
from orders.api.bulk_views import BulkTransitionViewSet
from orders.api.event_views import EventViewSet
from orders.api.openapi_view import OpenApiView
from orders.api.part_views import PartViewSet
from orders.api.status_views import StatusViewSet
from orders.api.views import OrderViewSet
from orders.api.webhook_views import WebhookViewSet


def route(address: str, views: type[ViewSet] = OrderViewSet, **methods: str) -> list[URLPattern]:
    """An address of orders, and the same with the other ending; `methods` maps HTTP methods to view methods."""
    view: Callable[..., Any] = views.as_view(dict(methods))
    return [path(address, view), path(address[:-1] if address.endswith("/") else f"{address}/", view)]


READ = ["get", "head"]
"""The documentation is only read."""

urlpatterns = [
    *route("orders/", get="list", post="create"),
    # Before the address of one order, of which `bulk-transitions` would be one; that comes next, since most ask for it.
    *route("orders/bulk-transitions", BulkTransitionViewSet, post="create"),
    *route("orders/<str:order_id>", get="retrieve", delete="destroy"),
    *route("orders/bulk-transitions/<str:run_id>", BulkTransitionViewSet, get="retrieve"),
    *route("orders/bulk-transitions/<str:run_id>/cancel", BulkTransitionViewSet, post="cancel"),
    *route("orders/bulk-transitions/<str:run_id>/pause", BulkTransitionViewSet, post="pause"),
    *route("orders/bulk-transitions/<str:run_id>/resume", BulkTransitionViewSet, post="resume"),
    *route("orders/<str:order_id>/status", StatusViewSet, put="status"),
    *route("orders/<str:order_id>/history", StatusViewSet, get="history"),
    *route("orders/<str:order_id>/transitions", StatusViewSet, get="transitions"),
    *route("orders/<str:order_id>/shipments", PartViewSet, post="ship"),
    *route("orders/<str:order_id>/shipments/<str:shipment_number>", PartViewSet, patch="track"),
    *route("orders/<str:order_id>/cancellations", PartViewSet, post="cancel"),
    *route("orders/<str:order_id>/refunds", PartViewSet, post="refund"),
    *route("orders/<str:order_id>/returns", PartViewSet, post="open_return"),
    *route("orders/<str:order_id>/returns/<str:return_number>/receipt", PartViewSet, post="receive"),
    *route("orders/<str:order_id>/hold", PartViewSet, put="hold", delete="lift"),
    *route("orders/user/<str:user_id>", get="of_user"),
    *route("events", EventViewSet, get="list"),
    *route("webhooks", WebhookViewSet, get="list", post="create"),
    *route("webhooks/<str:webhook_id>", WebhookViewSet, get="retrieve", patch="partial_update", delete="destroy"),
    *route("webhooks/<str:webhook_id>/test", WebhookViewSet, post="test"),
    *route("webhooks/<str:webhook_id>/rotate-secret", WebhookViewSet, post="rotate_secret"),
    *route("webhooks/<str:webhook_id>/end-rotation", WebhookViewSet, post="end_rotation"),
    *route("webhooks/<str:webhook_id>/replay", WebhookViewSet, post="replay"),
    path("problems", problem_pages.index, name="problems"),
    path("problems/<str:code>", problem_pages.page, name="problem"),
    path("openapi.json", OpenApiView.as_view(http_method_names=READ), name="openapi"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="openapi", http_method_names=READ), name="docs"),
    path("redoc", SpectacularRedocView.as_view(url_name="openapi", http_method_names=READ), name="redoc"),
]
