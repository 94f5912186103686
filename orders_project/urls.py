"""Every address of the service."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

urlpatterns = [
    path(f"{settings.API_PREFIX.strip('/')}/", include("orders.api.urls")),
    path("", include("orders.api.health")),
    path(f"{settings.ADMIN_PATH}language/", require_POST(set_language), name="set_language"),
    path(settings.ADMIN_PATH, admin.site.urls),
]
handler400 = "orders_project.web.error_pages.bad_request"
handler403 = "orders_project.web.error_pages.forbidden"
handler404 = "orders_project.web.error_pages.not_found"
handler500 = "orders_project.web.error_pages.server_error"
