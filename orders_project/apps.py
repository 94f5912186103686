"""App configurations: Django's own apps on ObjectId keys, and the project's start-up."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class MongoAdminConfig(AdminConfig):
    default_auto_field = OBJECT_ID


class MongoAuthConfig(AuthConfig):
    default_auto_field = OBJECT_ID


class MongoContentTypesConfig(ContentTypesConfig):
    default_auto_field = OBJECT_ID


class ProjectConfig(AppConfig):
    name = "orders_project"

    def ready(self) -> None:
        from orders_project import indexed_sort, utf8_only

        indexed_sort.install()
        utf8_only.install()
