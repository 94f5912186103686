"""Tests: short pauses, but time limits that a machine with a lot to do keeps; a test of a time limit sets its own.

tests/conftest.py fills in the address of the real mongod and of the peers.
"""

from orders_project.settings.base import *  # noqa: F403
from orders_project.settings.base import INSTALLED_APPS

SECRET_KEY = "test-only-0123456789-0123456789-0123456789-0123"  # noqa: S105
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [*INSTALLED_APPS, "devtools"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
MAX_RETRIES = 1
RETRY_DELAY = 0.01
REQUEST_DEADLINE = 15.0
PEER_CONNECT_TIMEOUT = 2.0
PEER_READ_TIMEOUT = INVENTORY_WRITE_TIMEOUT = 5.0
BREAKER_THRESHOLD = 1000
INVENTORY_IS_ATOMIC = True  # as the sandbox is, unless a test has it otherwise
STOCK_RETRY_DELAY = 0.01
STOCK_RETRY_MAX_DELAY = 0.05
WORKER_INTERVAL = 0.05
RATE_LIMIT_WRITES = RATE_LIMIT_ADMIN_WRITES = RATE_LIMIT_REFUSED_TOKENS = RATE_LIMIT_SIGN_ONS = 1_000_000
MAX_OPEN_ORDERS_PER_USER = 1_000_000  # counted, as in production
EXPIRE_UNPAID_EVERY = 0
