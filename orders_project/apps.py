"""App configurations: Django's own apps on ObjectId keys, and the project's start-up."""

import ctypes.util
import importlib
import logging

from axes.apps import AppConfig as AxesConfig
from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.utils.translation import gettext_lazy as _

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


def _import_backend() -> None:
    """Import the database backend as if GDAL were absent.

    It would look for it three times, by asking the C compiler among others: half of the time that a command takes to
    start.
    """
    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None
    try:
        importlib.import_module("django_mongodb_backend.base")
    finally:
        ctypes.util.find_library = find


_import_backend()  # before any model makes Django do it


class MongoAdminConfig(AdminConfig):
    default_auto_field = OBJECT_ID
    default_site = "orders_project.backoffice_site.BackofficeSite"


class MongoAuthConfig(AuthConfig):
    default_auto_field = OBJECT_ID


class MongoAxesConfig(AxesConfig):
    default_auto_field = OBJECT_ID


class MongoContentTypesConfig(ContentTypesConfig):
    default_auto_field = OBJECT_ID


class ProjectConfig(AppConfig):
    name = "orders_project"
    verbose_name = _("Staff")

    def ready(self) -> None:
        from django.conf import settings
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from orders_project import checks, demo_logins, indexed_sort
        from orders_project.settings.refusal import require_backends
        from orders_project.staff import sign_ins
        from orders_project.web import request_limits

        require_backends()
        checks.install()
        demo_logins.install()
        indexed_sort.install()
        user_logged_in.connect(sign_ins.record)
        user_logged_out.connect(sign_ins.record_end)
        _leave_alone(debug=settings.DEBUG)
        if settings.LOG_FORMAT == "json":
            logging.captureWarnings(True)  # they would be log lines of another format
        request_limits.read_all_as_utf8()


def _leave_alone(*, debug: bool) -> None:
    """Skip per-request work of Django that has no effect here (docs/adr/0008-what-an-api-request-skips.md).

    pymongo looks after its own connections: the backend's `close()` does nothing. The only cache is Django's in-process
    one, which has no connections; and queries are recorded only in DEBUG.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    request_finished.disconnect(close_caches)
    if not debug:
        request_started.disconnect(reset_queries)
