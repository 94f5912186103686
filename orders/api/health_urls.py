from django.urls import path

from orders.api.health import health, ready

urlpatterns = [path("health", health), path("health/ready", ready)]
