"""Every address of the service."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path(f"{settings.API_PREFIX.strip('/')}/", include("orders.api.urls")),
    path("", include("orders.api.health")),
    path(settings.ADMIN_PATH, admin.site.urls),
]
handler400 = "orders.api.problem_responses.bad_request"
handler404 = "orders.api.problem_responses.not_found"
handler500 = "orders.api.problem_responses.server_error"
