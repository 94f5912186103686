"""The WSGI application. Without DJANGO_SETTINGS_MODULE it starts as production, the safe side."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orders_project.settings.production")
application = get_wsgi_application()
