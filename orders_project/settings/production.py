"""Production: refuses to start on anything missing, malformed or unsafe, and names all of it."""

from orders_project.settings.base import *  # noqa: F403
from orders_project.settings.base import AUTH_STUB, DEBUG, env

YEAR = 31_536_000
"""Seconds: the least that the preload list of browsers asks for (hstspreload.org)."""

SECRET_KEY = env.secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS")
env.require("MONGODB_URI", "USER_SERVICE_URL", "PRODUCT_SERVICE_URL", "INVENTORY_SERVICE_URL", "ALLOWED_HOSTS")
if DEBUG:
    env.problems.append("DEBUG must be false in production")
if AUTH_STUB:
    env.problems.append("AUTH_STUB must be false in production: it lets anybody in as anybody")
if env.text("JWT_SHARED_KEY"):
    JWT_SHARED_KEY = env.secret("JWT_SHARED_KEY")

BEHIND_TLS_PROXY = env.flag("BEHIND_TLS_PROXY", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS_PROXY else None
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 1 if BEHIND_TLS_PROXY else 0, most=10)
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^health(/ready)?$"]
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", YEAR)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
_fit_for_preload = SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_SECONDS >= YEAR
SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_PRELOAD", default=_fit_for_preload)
if SECURE_HSTS_PRELOAD and not _fit_for_preload:
    env.problems.append(
        f"SECURE_HSTS_PRELOAD needs SECURE_HSTS_SECONDS of at least {YEAR} and SECURE_HSTS_INCLUDE_SUBDOMAINS: "
        "browsers preload no host without them"
    )
SESSION_COOKIE_SECURE = env.flag("SECURE_COOKIES", default=True)
CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SESSION_COOKIE_SECURE
if SESSION_COOKIE_SECURE:  # browsers take such a name only from this very host, over TLS: no sibling can plant one
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

env.refuse_problems()
