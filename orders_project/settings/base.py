"""What all three settings modules share. Every value a deployment may change comes from the environment.

Names and defaults of the first block are those of the service's specification; the rest came with the design
and are explained in docs/settings.md.
"""

import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from corsheaders.defaults import default_headers

from orders_project.settings.backoffice import backoffice
from orders_project.settings.env import Environment
from orders_project.settings.observability import observability
from orders_project.settings.sign_on import sign_on

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
env = Environment()

# --- the specification's own settings -----------------------------------------------------------------------------
API_PREFIX = "/" + env.text("API_PREFIX", "/api/v1").strip("/")
DEBUG = env.flag("DEBUG", default=False)
PROJECT_NAME = env.text("PROJECT_NAME", "Order Service")
PORT = env.integer("PORT", 8001, least=1, most=65535)
MONGODB_URI = env.mongodb_uri("MONGODB_URI")
MONGODB_DB = env.database_name("MONGODB_DB", "order_db")
USER_SERVICE_URL = env.url("USER_SERVICE_URL")
PRODUCT_SERVICE_URL = env.url("PRODUCT_SERVICE_URL")
INVENTORY_SERVICE_URL = env.url("INVENTORY_SERVICE_URL")
USER_BACKEND = env.dotted_path("USER_BACKEND", "integrations.published.Users")
PRODUCT_BACKEND = env.dotted_path("PRODUCT_BACKEND", "integrations.published.Products")
INVENTORY_BACKEND = env.dotted_path("INVENTORY_BACKEND", "integrations.published.Inventory")
SECRET_KEY = env.text("SECRET_KEY")
MAX_RETRIES = env.integer("MAX_RETRIES", 3, most=20)
RETRY_DELAY = env.number("RETRY_DELAY", 1.0, most=60)

# --- the web server; web/gunicorn_conf.py reads them by itself, and here they are checked with all others -----------
env.integer("WEB_CONCURRENCY", 1, least=1)
env.integer("WEB_THREADS", 8, least=1)
env.integer("WEB_MAX_REQUESTS", 100_000)
env.integer("WEB_KEEPALIVE", 75)

# --- time limits, in seconds: deadline < web timeout < lease is what keeps two callers off one line -----------------
REQUEST_DEADLINE = env.number("REQUEST_DEADLINE", 15.0, least=0.1)
DATABASE_DEADLINE = env.number("DATABASE_DEADLINE", 20.0, least=0.1)
GUNICORN_TIMEOUT = env.integer("GUNICORN_TIMEOUT", 30, least=1)
STOCK_LEASE = env.number("STOCK_LEASE", 60.0, least=1)
PEER_CONNECT_TIMEOUT = env.number("PEER_CONNECT_TIMEOUT", 1.0, least=0.01)
PEER_READ_TIMEOUT = env.number("PEER_READ_TIMEOUT", 3.0, least=0.01)
INVENTORY_WRITE_TIMEOUT = env.number("INVENTORY_WRITE_TIMEOUT", 6.0, least=0.01)
PEER_MAX_IDLE = env.number("PEER_MAX_IDLE", 2.0)
PEER_THREADS = env.integer("PEER_THREADS", 32, least=1)
BREAKER_THRESHOLD = env.integer("BREAKER_THRESHOLD", 5, least=1)
BREAKER_RECOVERY = env.number("BREAKER_RECOVERY", 10.0, least=0.1)
MONGODB_TIMEOUT_MS = env.integer("MONGODB_TIMEOUT_MS", 10_000, least=100)
MONGODB_HEARTBEAT_MS = env.integer("MONGODB_HEARTBEAT_MS", 2_000, least=500)
MONGODB_CONNECT_TIMEOUT_MS = env.integer("MONGODB_CONNECT_TIMEOUT_MS", 3_000, least=100)

# --- stock ---------------------------------------------------------------------------------------------------------
INVENTORY_IS_ATOMIC = env.flag("INVENTORY_IS_ATOMIC", default=False)
INVENTORY_HONOURS_IDEMPOTENCY_KEY = env.flag("INVENTORY_HONOURS_IDEMPOTENCY_KEY", default=False)
INVENTORY_KEY_TTL = env.integer("INVENTORY_KEY_TTL", 24 * 3600, least=1)
INVENTORY_NOT_ACTED_STATUSES = env.integers("INVENTORY_NOT_ACTED_STATUSES", (429, 503))
STOCK_RETRY_DELAY = env.number("STOCK_RETRY_DELAY", 2.0, least=0.01)
STOCK_RETRY_MAX_DELAY = env.number("STOCK_RETRY_MAX_DELAY", 300.0, least=0.01)
WORKER_INTERVAL = env.number("WORKER_INTERVAL", 1.0, least=0.01)

UNPAID_ORDER_TTL = env.integer("UNPAID_ORDER_TTL", 3 * 24 * 3600, least=60)
SHIP_WITHIN = env.integer("SHIP_WITHIN", 2 * 24 * 3600, least=60)
STOCK_OWED_TOO_LONG = env.integer("STOCK_OWED_TOO_LONG", 3600, least=60)
BACKOFFICE_QUERY_MS = env.integer("BACKOFFICE_QUERY_MS", 2_000, least=100)
EXPIRE_UNPAID_EVERY = env.number("EXPIRE_UNPAID_EVERY", 60.0)
EVENTS_AMQP_URL = env.amqp_url("EVENTS_AMQP_URL")
EVENTS_AMQP_EXCHANGE = env.text("EVENTS_AMQP_EXCHANGE", "orders")
WEBHOOKS_INSECURE = env.flag("WEBHOOKS_INSECURE", default=False)
EVENTS_RETENTION_DAYS = env.integer("EVENTS_RETENTION_DAYS", 30, least=1)
INVENTORY_CONSUMES = env.flag("INVENTORY_CONSUMES", default=False)
FIGURES_EVERY = env.number("FIGURES_EVERY", 60.0, least=1)
PERSONAL_DATA_DAYS = env.integer("PERSONAL_DATA_DAYS", 0, most=36_500)

# --- placement -----------------------------------------------------------------------------------------------------
ALLOW_UNVERIFIED_USERS = env.flag("ALLOW_UNVERIFIED_USERS", default=True)
REQUIRE_IDEMPOTENCY_KEY = env.flag("REQUIRE_IDEMPOTENCY_KEY", default=False)
IDEMPOTENCY_KEY_TTL = env.integer("IDEMPOTENCY_KEY_TTL", 24 * 3600, least=60)
MAX_ORDER_LINES = env.integer("MAX_ORDER_LINES", 100, least=1, most=1000)
MAX_LINE_QUANTITY = env.integer("MAX_LINE_QUANTITY", 10_000, least=1, most=2**31 - 1)
MAX_OPEN_ORDERS_PER_USER = env.integer("MAX_OPEN_ORDERS_PER_USER", 20)
CURRENCY, *_more_currencies = env.currencies("CURRENCY", "EUR")
CURRENCIES = env.currencies("CURRENCIES", CURRENCY)
if _more_currencies:
    env.problems.append("CURRENCY is one currency, the shop's; CURRENCIES lists all in which it takes orders")
if CURRENCY not in CURRENCIES:
    env.problems.append(f"CURRENCIES must name CURRENCY ({CURRENCY}), too")
CARRIERS = env.carriers("CARRIERS")
MAX_ORDER_TOTAL = env.money("MAX_ORDER_TOTAL", Decimal("1000000.00"))

# --- who may call the API --------------------------------------------------------------------------------------------
JWT_SHARED_KEY = env.text("JWT_SHARED_KEY")
JWT_JWKS_URL = env.url("JWT_JWKS_URL")
JWT_ISSUER = env.text("JWT_ISSUER")
JWT_AUDIENCE = env.text("JWT_AUDIENCE")
JWT_LEEWAY = env.number("JWT_LEEWAY", 10.0, most=300)
JWT_ADMIN_CLAIM = env.text("JWT_ADMIN_CLAIM", "role")
JWT_ADMIN_VALUES = env.items("JWT_ADMIN_VALUES", ("admin",))
JWT_ADMIN_SUBJECTS = env.items("JWT_ADMIN_SUBJECTS")
JWT_SCOPE_CLAIM = env.text("JWT_SCOPE_CLAIM")
AUTH_STUB = env.flag("AUTH_STUB", default=False)

# --- how often, in a minute; 0: no limit -----------------------------------------------------------------------------
RATE_LIMIT_WRITES = env.integer("RATE_LIMIT_WRITES", 600)
RATE_LIMIT_ADMIN_WRITES = env.integer("RATE_LIMIT_ADMIN_WRITES", 60_000)
RATE_LIMIT_REFUSED_TOKENS = env.integer("RATE_LIMIT_REFUSED_TOKENS", 60)
LOG_IN_FAILURES = env.integer("LOG_IN_FAILURES", 5, least=1)
LOG_IN_FAILURES_PER_ADDRESS = env.integer("LOG_IN_FAILURES_PER_ADDRESS", 50, least=1)
LOG_IN_COOL_OFF = env.integer("LOG_IN_COOL_OFF", 15 * 60, least=1, most=24 * 3600)
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, most=10)

# --- how staff log in ------------------------------------------------------------------------------------------------
_sign_on = sign_on(env)
LOCAL_LOGIN: bool = _sign_on["LOCAL_LOGIN"]
AUTHENTICATION_BACKENDS: list[str] = _sign_on["AUTHENTICATION_BACKENDS"]
OIDC_ISSUER: str = _sign_on["OIDC_ISSUER"]
OIDC_CLIENT_ID: str = _sign_on["OIDC_CLIENT_ID"]
OIDC_CLIENT_SECRET: str = _sign_on["OIDC_CLIENT_SECRET"]
OIDC_SCOPES: str = _sign_on["OIDC_SCOPES"]
OIDC_LABEL: str = _sign_on["OIDC_LABEL"]
OIDC_GROUPS_CLAIM: str = _sign_on["OIDC_GROUPS_CLAIM"]
OIDC_GROUPS: dict[str, str] = _sign_on["OIDC_GROUPS"]
OIDC_CREATE_ACCOUNTS: bool = _sign_on["OIDC_CREATE_ACCOUNTS"]
RATE_LIMIT_SIGN_ONS: int = _sign_on["RATE_LIMIT_SIGN_ONS"]

ADMIN_PATH = env.path("ADMIN_PATH", "admin/")
STAFF_SESSION_AGE = env.integer("STAFF_SESSION_AGE", 12 * 3600, least=60)
STAFF_TWO_FACTOR = env.one_of("STAFF_TWO_FACTOR", "optional", ("off", "optional", "required"))
STAFF_TWO_FACTOR_ROLES = env.items("STAFF_TWO_FACTOR_ROLES")
if STAFF_TWO_FACTOR_ROLES and STAFF_TWO_FACTOR != "required":
    env.problems.append("STAFF_TWO_FACTOR_ROLES is set, but STAFF_TWO_FACTOR is not required")
STAFF_SIGN_INS_DAYS = env.integer("STAFF_SIGN_INS_DAYS", 90, least=1, most=3650)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS", also=r"https?://\*\.[a-z0-9.-]+(:[0-9]{1,5})?")
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS", also=r"\*")
CORS_ALLOW_ALL_ORIGINS = "*" in CORS_ALLOWED_ORIGINS  # never with cookies: the API has none
CORS_ALLOWED_ORIGINS = [origin for origin in CORS_ALLOWED_ORIGINS if origin != "*"]
CORS_URLS_REGEX = rf"^{API_PREFIX}/"
CORS_ALLOW_HEADERS = [*default_headers, "if-match", "if-none-match", "idempotency-key", "x-request-id", "traceparent"]
CORS_EXPOSE_HEADERS = ["ETag", "Link", "Location", "Retry-After", "Idempotency-Replayed", "X-Request-ID", "Next-Cursor"]
CORS_EXPOSE_HEADERS += ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"]

if 2 * PEER_CONNECT_TIMEOUT + PEER_READ_TIMEOUT + INVENTORY_WRITE_TIMEOUT >= REQUEST_DEADLINE:
    env.problems.append(
        "Twice PEER_CONNECT_TIMEOUT, PEER_READ_TIMEOUT and INVENTORY_WRITE_TIMEOUT together must be less than "
        f"REQUEST_DEADLINE ({REQUEST_DEADLINE} s): an order is verified first, and then its stock is reserved"
    )
for shorter, longer in (
    ("REQUEST_DEADLINE", "DATABASE_DEADLINE"),
    ("DATABASE_DEADLINE", "GUNICORN_TIMEOUT"),
    ("GUNICORN_TIMEOUT", "STOCK_LEASE"),
    ("STOCK_LEASE", "IDEMPOTENCY_KEY_TTL"),
):
    if not globals()[shorter] < globals()[longer]:
        env.problems.append(f"{shorter} ({globals()[shorter]} s) must be less than {longer} ({globals()[longer]} s)")

if ADMIN_PATH.split("/")[0] in {API_PREFIX.split("/")[1], "static", "health"}:
    env.problems.append(f"ADMIN_PATH ({ADMIN_PATH}) begins like the API, the static files or the health checks")

# --- Django ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "orders_project.apps.ProjectConfig",
    "unfold.apps.BasicAppConfig",  # the other one puts a site of its own in the place of ours
    "unfold.contrib.filters",
    "orders_project.apps.MongoAdminConfig",
    "orders_project.apps.MongoAuthConfig",
    "orders_project.apps.MongoContentTypesConfig",
    "orders_project.apps.MongoAxesConfig",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",  # for its widgets' templates, since ours are found as all other templates are
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_fsm",
    "orders.apps.OrdersConfig",
]
MIDDLEWARE = [
    "orders_project.web.observation.ObservationMiddleware",
    "orders_project.web.response_headers.SecurityHeadersMiddleware",
    "orders_project.web.languages.LanguageMiddleware",
    "orders_project.web.error_pages.ErrorPagesMiddleware",
    "orders_project.web.request_limits.DatabaseDeadlineMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "orders_project.web.response_headers.CrossOriginMiddleware",
    "orders_project.web.request_limits.RequestLimitsMiddleware",
    "orders_project.web.fast_path.ApiFastPathMiddleware",  # the middleware below is for the backoffice only
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "orders_project.urls"
WSGI_APPLICATION = "orders_project.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.filesystem.Loader", "orders_project.theme.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django_mongodb_backend",
        "HOST": MONGODB_URI,
        "NAME": MONGODB_DB,
        # No acknowledged order may be lost with a node, and nothing may be read that a failover takes back.
        "OPTIONS": {
            "w": "majority",
            "readConcernLevel": "majority",
            "timeoutMS": MONGODB_TIMEOUT_MS,
            # A node that is frozen keeps its connections open, and only a heartbeat that is not answered in time tells:
            # then what waits for it goes on to the next primary, instead of waiting for its own time to be up.
            "heartbeatFrequencyMS": MONGODB_HEARTBEAT_MS,
            "connectTimeoutMS": MONGODB_CONNECT_TIMEOUT_MS,
            "appname": "order-service",
        },
    }
}
DATABASE_ROUTERS = ["django_mongodb_backend.routers.MongoRouter"]
DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
MIGRATION_MODULES = {
    "admin": "orders_project.migrations.admin",
    "auth": "orders_project.migrations.auth",
    "axes": "orders_project.migrations.axes",
    "contenttypes": "orders_project.migrations.contenttypes",
}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AXES_HANDLER = "orders_project.log_ins.LogInHandler"
AXES_LOCKOUT_CALLABLE = "orders_project.backoffice_site.locked_out"
AXES_CLIENT_IP_CALLABLE = "orders.api.client_address.client_address"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_FAILURE_LIMIT = LOG_IN_FAILURES
AXES_COOLOFF_TIME = timedelta(seconds=LOG_IN_COOL_OFF)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # orders_project.staff.sign_ins keeps one, with the session that it began
AXES_ENABLE_ADMIN = False  # the few who may unlock have `manage.py axes_reset_username`, and no page shows addresses
AXES_SENSITIVE_PARAMETERS = ["username", "csrfmiddlewaretoken", "old_password", "new_password1", "new_password2"]
AXES_VERBOSE = False
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "orders_project.formats"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
TIME_ZONE = env.time_zone("TIME_ZONE")
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
LARGEST_FORM = 256 * 1024  # bytes, of whatever is sent to other addresses than the API's
FILE_UPLOAD_HANDLERS = ["orders_project.web.request_limits.NoUploads"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "orders_project.web.error_pages.out_of_date"
SESSION_COOKIE_AGE = STAFF_SESSION_AGE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # Strict would ask for a log-in after each link from a mail
DEFAULT_EXCEPTION_REPORTER_FILTER = "orders_project.web.error_reports.SecretsFilter"

UNFOLD = backoffice(PROJECT_NAME)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["orders.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["orders.api.authentication.Authenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["orders.api.throttling.WriteThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["orders.api.rendering.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["orders.api.rendering.ExactJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "NON_FIELD_ERRORS_KEY": "",
    "EXCEPTION_HANDLER": "orders.api.exception_handler.problem_details",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": PROJECT_NAME,
    "DESCRIPTION": (
        "Place and follow orders. Their stock is reserved by placing and released by cancelling them.\n\n"
        "For those who build a storefront, `docs/storefront.md` in the service's repository says what no list of "
        "fields can: how to place safely, what to do about each `code`, what never changes. **Send an "
        "`Idempotency-Key` with each placement**: one for each basket, the same again where no answer came.\n\n"
        "What is refused is answered with a problem document (RFC 9457) whose `code` says why. Its `type` leads to a "
        f"page that says what was kept and whether to try again; [all codes]({API_PREFIX}/problems). Beside those of "
        "each operation there are `not_found`, `method_not_allowed`, `bad_request` and `server_error`, which any "
        "address may answer, and those of the proxy in front.\n\n"
        "A request is obeyed whole or refused whole. Answers may get further members, and problems further codes."
    ),
    "VERSION": VERSION,
    "SERVERS": [{"url": "/", "description": "The service that serves this document."}],
    "TAGS": [
        {"name": "orders", "description": "Orders: customers their own, admins all."},
        {"name": "parts of orders", "description": "Parcels, cancelled lines, refunds, returns and holds."},
        {"name": "bulk transitions", "description": "One transition of many orders, for admins."},
        {"name": "events", "description": "What happened to orders: customers their own, admins all."},
        {"name": "webhooks", "description": "Endpoints to which events are sent, for admins."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": "orders.api.serializers.STATUSES",
        "TransitionName": "orders.api.serializers.TRANSITIONS",
        "RunState": "orders.api.bulk_serializers.RUN_STATES",
        "EventType": "orders.api.webhook_serializers.TYPES",
        "OrderOutcome": "orders.api.bulk_serializers.OUTCOMES",
        "ReasonCode": "orders.api.serializers.REASON_CODES",
        "LineState": "orders.api.serializers.LINE_STATES",
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["orders.api.schema.leave_out_aliases"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "orders.api.schema.complete"],
}
# --- logs and metrics ------------------------------------------------------------------------------------------------
_observability = observability(env)
LOG_FORMAT: str = _observability["LOG_FORMAT"]
LOGGING: dict[str, Any] = _observability["LOGGING"]
METRICS_HOST: str = _observability["METRICS_HOST"]
METRICS_PORT: int = _observability["METRICS_PORT"]
METRICS_TOKEN: str = _observability["METRICS_TOKEN"]
WORKER_METRICS_PORT: int = _observability["WORKER_METRICS_PORT"]
WORKER_SEEN_WITHIN: int = _observability["WORKER_SEEN_WITHIN"]
