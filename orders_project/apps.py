"""App configurations: Django's own apps on ObjectId keys, and the project's start-up."""

import logging

from axes.apps import AppConfig as AxesConfig
from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class MongoAdminConfig(AdminConfig):
    default_auto_field = OBJECT_ID


class MongoAuthConfig(AuthConfig):
    default_auto_field = OBJECT_ID


class MongoAxesConfig(AxesConfig):
    default_auto_field = OBJECT_ID


class MongoContentTypesConfig(ContentTypesConfig):
    default_auto_field = OBJECT_ID


class ProjectConfig(AppConfig):
    name = "orders_project"

    def ready(self) -> None:
        from django.conf import settings

        from observability import mongodb
        from orders_project import checks, indexed_sort, utf8_only

        checks.install()
        indexed_sort.install()
        mongodb.install()
        if settings.LOG_FORMAT == "json":
            logging.captureWarnings(True)  # they would be lines of another kind
        utf8_only.install()
