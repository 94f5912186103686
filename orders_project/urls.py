"""Every address of the service."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path(f"{settings.API_PREFIX.strip('/')}/", include("orders.api.urls")),
    path("", include("orders.api.health_urls")),
    path(settings.ADMIN_PATH, admin.site.urls),
]
handler400 = "orders.api.errors.bad_request"
handler404 = "orders.api.errors.not_found"
handler500 = "orders.api.errors.server_error"
