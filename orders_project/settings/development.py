"""Development: the embedded database and the sandbox peers stand in for what is not set."""

from orders_project.settings.base import *  # noqa: F403
from orders_project.settings.base import (
    ALLOWED_HOSTS,
    INSTALLED_APPS,
    INVENTORY_SERVICE_URL,
    MONGODB_DB,
    PRODUCT_SERVICE_URL,
    USER_SERVICE_URL,
    env,
)

DEBUG = env.flag("DEBUG", default=True)
SECRET_KEY = env.text("SECRET_KEY", "development-only-0123456789-0123456789-0123456789")
ALLOWED_HOSTS = ALLOWED_HOSTS or ["*"]

SANDBOX_PORT = env.integer("SANDBOX_PORT", 8010, least=1, most=65535)
SANDBOX_MONGODB_DB = env.text("SANDBOX_MONGODB_DB", f"{MONGODB_DB}_sandbox")
_sandbox = f"http://127.0.0.1:{SANDBOX_PORT}/api/v1"
USER_SERVICE_URL = USER_SERVICE_URL or _sandbox
PRODUCT_SERVICE_URL = PRODUCT_SERVICE_URL or _sandbox
INVENTORY_SERVICE_URL = INVENTORY_SERVICE_URL or _sandbox
WHITENOISE_USE_FINDERS = True
INSTALLED_APPS = [*INSTALLED_APPS, "devtools"]

env.refuse_problems()
