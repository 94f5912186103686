"""App configurations: Django's own apps on ObjectId keys, and the project's start-up."""

import ctypes.util
import importlib
import logging

from axes.apps import AppConfig as AxesConfig
from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig
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
        from orders_project.web import request_limits, unneeded_signals

        require_backends()
        checks.install()
        demo_logins.install()
        indexed_sort.install()
        user_logged_in.connect(sign_ins.record)
        user_logged_out.connect(sign_ins.record_end)
        unneeded_signals.disconnect(debug=settings.DEBUG)
        if settings.LOG_FORMAT == "json":
            logging.captureWarnings(True)  # they would be log lines of another format
        request_limits.read_all_as_utf8()
