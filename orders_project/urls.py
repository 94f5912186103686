"""Every address of the service."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path(f"{settings.API_PREFIX.strip('/')}/", include("orders.api.urls")),
    path("", include("orders.api.health")),
    path(settings.ADMIN_PATH, admin.site.urls),
]
handler400 = "orders_project.web.error_pages.bad_request"
handler403 = "orders_project.web.error_pages.forbidden"
handler404 = "orders_project.web.error_pages.not_found"
handler500 = "orders_project.web.error_pages.server_error"
