"""Production's settings, but for static files, which pages name as they lie in the tree: none have been collected."""

from orders_project.settings.production import *  # noqa: F403
from orders_project.settings.production import STORAGES

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
