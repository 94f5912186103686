"""Settings from the environment: what is wrong is named, all of it at once, and production refuses what is unsafe."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from orders_project import settings
from orders_project.settings import sign_on
from orders_project.settings.env import Environment

ROOT = Path(__file__).resolve().parents[2]
SECRET = "0f3b9c1d7e5a48269b0c4d1e8f7a6b52c3-0f3b9c1d7e5a48269b0c"
PEERS = {f"{peer}_SERVICE_URL": "https://peers.example/api/v1" for peer in ("USER", "PRODUCT", "INVENTORY")}
PRODUCTION = PEERS | {
    "SECRET_KEY": SECRET,
    "MONGODB_URI": "mongodb://db1,db2,db3/?replicaSet=rs0",
    "ALLOWED_HOSTS": "orders.example",
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Environment]:
    """Set the variable X and read it by a fresh environment."""

    def environment(value: str) -> Environment:
        monkeypatch.setenv("X", value)
        return Environment()

    return environment


Given = Callable[[str], Environment]


# --- single values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", "On", " true "])
def test_a_flag_is_on(given: Given, value: str) -> None:
    assert given(value).flag("X", default=False) is True


@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off"])
def test_a_flag_is_off(given: Given, value: str) -> None:
    assert given(value).flag("X", default=True) is False


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_value_is_none(given: Given, value: str) -> None:
    env = given(value)
    assert env.flag("X", default=True) is True
    assert env.number("X", 1.5) == 1.5
    assert env.integer("X", 3) == 3
    assert env.money("X", Decimal(7)) == 7
    assert env.items("X", ("a",)) == ["a"]
    assert env.integers("X", (429,)) == [429]
    assert env.url("X") == env.mongodb_uri("X") == ""
    env.refuse_problems()


MALFORMED: list[tuple[Callable[[Environment], Any], str]] = [
    (lambda env: env.flag("X", default=False), "maybe"),
    (lambda env: env.flag("X", default=False), "2"),
    (lambda env: env.number("X", 1.0), "1,5"),
    (lambda env: env.number("X", 1.0), "ten"),
    (lambda env: env.number("X", 1.0), "nan"),
    (lambda env: env.number("X", 1.0), "-1"),
    (lambda env: env.number("X", 1.0, most=60), "inf"),
    (lambda env: env.number("X", 1.0), "inf"),
    (lambda env: env.number("X", 1.0, least=0.1), "0"),
    (lambda env: env.integer("X", 1), "1.5"),
    (lambda env: env.integer("X", 1), "0x10"),
    (lambda env: env.integer("X", 1, most=65535), "65536"),
    (lambda env: env.integer("X", 1, least=1), "0"),
    (lambda env: env.money("X", Decimal(1)), "1 EUR"),
    (lambda env: env.money("X", Decimal(1)), "NaN"),
    (lambda env: env.money("X", Decimal(1)), "Infinity"),
    (lambda env: env.money("X", Decimal(1)), "-1"),
    (lambda env: env.integers("X", (1,)), "429,5xx"),
    (lambda env: env.url("X"), "peers.example"),
    (lambda env: env.url("X"), "ftp://peers.example"),
    (lambda env: env.url("X"), "http://"),
    (lambda env: env.url("X"), "http://peers.example:70000"),
    (lambda env: env.url("X"), "http://peers.example:port"),
    (lambda env: env.url("X"), "http://[::1"),
    (lambda env: env.mongodb_uri("X"), "localhost:27017"),
    (lambda env: env.mongodb_uri("X"), "http://db/"),
    (lambda env: env.mongodb_uri("X"), "mongodb://"),
    (lambda env: env.mongodb_uri("X"), "mongodb://user:p@ss:word@db/"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db:port/"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db/?readPreference=secondary"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db/?readpreference=nearest"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db/?readPreference=primaryPreferred"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db/?w=1"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db/?w=0"),
    (lambda env: env.mongodb_uri("X"), "mongodb+srv://db.example/?readPreference=secondary"),
    (lambda env: env.mongodb_uri("X"), "mongodb+srv://db.example/?w=1"),
    (lambda env: env.database_name("X", "order_db"), "orders.live"),
    (lambda env: env.database_name("X", "order_db"), "order db"),
    (lambda env: env.database_name("X", "order_db"), "o" * 64),
    (lambda env: env.amqp_url("X"), "rabbit:5672"),
    (lambda env: env.currencies("X", "EUR"), "euro"),
    (lambda env: env.currencies("X", "EUR"), "EUR,eur"),
    (lambda env: env.currencies("X", "EUR"), "XXL"),
    (lambda env: env.currencies("X", "EUR"), "\u20ac"),
    (lambda env: env.time_zone("X"), "europe/berlin"),
    (lambda env: env.time_zone("X"), "CEST"),
    (lambda env: env.time_zone("X"), "+02:00"),
    (lambda env: env.time_zone("X"), "Europe"),
    (lambda env: env.time_zone("X"), "../../etc/passwd"),
    (lambda env: env.time_zone("X"), "localtime"),
    (lambda env: env.origins("X", also=r"\*"), "shop.example"),
    (lambda env: env.origins("X", also=r"\*"), "https://shop.example/checkout"),
    (lambda env: env.origins("X", also=r"\*"), "https://*.shop.example"),
    (lambda env: env.origins("X", also=r"\*"), "https://shop.example:443"),
    (lambda env: env.origins("X", also=r"\*"), "http://shop.example:80"),
    (lambda env: env.origins("X", also=r"\*"), "https://user@shop.example"),
    (lambda env: env.origins("X", also=r"\*"), "https://b\xfccher.example"),
    (lambda env: env.origins("X", also=r"\*"), "null"),
    (lambda env: env.secret("X"), ""),
    (lambda env: env.secret("X"), "short"),
    (lambda env: env.secret("X"), "x" * 31),
    (lambda env: env.secret("X"), "your-secret-key-here"),
    (lambda env: env.secret("X"), "please-CHANGE-ME-please-change-me-please"),
]


@pytest.mark.parametrize(("read", "value"), MALFORMED, ids=[value or "empty" for _, value in MALFORMED])
def test_what_is_malformed_or_unsafe_is_a_problem_that_names_the_setting(
    given: Given, read: Callable[[Environment], Any], value: str
) -> None:
    env = given(value)
    read(env)
    with pytest.raises(ImproperlyConfigured, match=r"^These settings keep the service from starting:\n  X[^\n]*\ndocs"):
        env.refuse_problems()


WELL_FORMED: list[tuple[Callable[[Environment], Any], str, Any]] = [
    (lambda env: env.number("X", 1.0), "0.25", 0.25),
    (lambda env: env.integer("X", 1, most=65535), "65535", 65535),
    (lambda env: env.money("X", Decimal(1)), "1000.50", Decimal("1000.50")),
    (lambda env: env.items("X"), " a, b,,c ", ["a", "b", "c"]),
    (lambda env: env.currencies("X", "EUR"), "EUR, CHF,JPY", ["EUR", "CHF", "JPY"]),
    (lambda env: env.currencies("X", "EUR"), "", ["EUR"]),
    (lambda env: env.integers("X", (1,)), "429, 503", [429, 503]),
    (lambda env: env.time_zone("X"), "Europe/Berlin", "Europe/Berlin"),
    (lambda env: env.time_zone("X"), "UTC", "UTC"),
    (lambda env: env.time_zone("X"), "", "UTC"),
    (
        lambda env: env.origins("X", also=r"\*"),
        "https://Shop.example/, http://127.0.0.1:3000,http://[::1]:5173, capacitor://localhost,*",
        ["https://shop.example", "http://127.0.0.1:3000", "http://[::1]:5173", "capacitor://localhost", "*"],
    ),
    (lambda env: env.url("X"), "https://peers.example:8443/api/v1/", "https://peers.example:8443/api/v1"),
    (lambda env: env.url("X"), "http://[::1]:8001", "http://[::1]:8001"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db/?w=majority", "mongodb://db/?w=majority"),
    (lambda env: env.mongodb_uri("X"), "mongodb://db/?readPreference=primary", "mongodb://db/?readPreference=primary"),
    (lambda env: env.mongodb_uri("X"), "mongodb+srv://db.example/", "mongodb+srv://db.example/"),
    (lambda env: env.database_name("X", "order_db"), "Orders-2_live", "Orders-2_live"),
    (lambda env: env.amqp_url("X"), "amqps://user:secret@rabbit:5671/shop", "amqps://user:secret@rabbit:5671/shop"),
    (lambda env: env.amqp_url("X"), "", ""),
    (lambda env: env.secret("X"), SECRET, SECRET),
    (lambda env: env.text("X"), "$tarts with a dollar", "$tarts with a dollar"),
    (lambda env: env.secret("X"), "$" + SECRET, "$" + SECRET),
]


@pytest.mark.parametrize(("read", "value", "expected"), WELL_FORMED, ids=[value for _, value, _ in WELL_FORMED])
def test_what_is_well_formed_is_taken_as_it_is(
    given: Given, read: Callable[[Environment], Any], value: str, expected: Any
) -> None:
    env = given(value)
    assert read(env) == expected
    env.refuse_problems()


def test_what_is_required_is_named_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " ")
    monkeypatch.delenv("Y", raising=False)
    monkeypatch.setenv("Z", "here")
    env = Environment()
    env.require("X", "Y", "Z")
    assert env.problems == ["X is not set", "Y is not set"]


def test_every_problem_is_told_at_once(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Y", "nonsense")
    env = given("nonsense")
    env.flag("X", default=False)
    env.integer("Y", 1)
    env.integers("X", ())
    with pytest.raises(ImproperlyConfigured) as refused:
        env.refuse_problems()
    for said in ("X: Not a valid boolean", "Y: Not a valid integer", "X is not a comma-separated list"):
        assert said in str(refused.value)


# --- whole starts ----------------------------------------------------------------------------------------------------


def load(module: str, **given: str) -> ModuleType:
    """Load settings afresh, in an environment with these variables alone.

    :raises ImproperlyConfigured: they keep the service from starting.
    """
    with pytest.MonkeyPatch.context() as patch, imported_again():
        for name in os.environ:
            patch.delenv(name)
        for name, value in given.items():
            patch.setenv(name, value)
        return importlib.import_module(f"{settings.__name__}.{module}")


@contextmanager
def imported_again() -> Iterator[None]:
    """Have the settings imported again, and the others back at the end."""
    of_ours, attributes = f"{settings.__name__}.", dict(vars(settings))
    before = {name: module for name, module in sys.modules.items() if name.startswith(of_ours)}
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.startswith(of_ours)]:
            del sys.modules[name]
        sys.modules.update(before)
        vars(settings).update(attributes)


def refusal(**given: str) -> str:
    """What production says to these settings."""
    with pytest.raises(ImproperlyConfigured) as refused:
        load("production", **given)
    return str(refused.value)


def test_a_process_starts_in_development_with_nothing_set_and_in_production_says_what_is_missing() -> None:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    show = "from orders_project.settings import development, {}; print(development.INVENTORY_SERVICE_URL)"
    for other, code in (("base", 0), ("production", 1)):
        command = [sys.executable, "-c", show.format(other)]
        started = subprocess.run(command, env=bare, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        assert started.returncode == code, started.stderr
        assert started.stdout == ("" if code else "http://127.0.0.1:8010/api/v1\n")
        assert all((f"{name} is not set" in started.stderr) is bool(code) for name in PRODUCTION)


def test_production_starts_with_what_it_needs() -> None:
    found = load("production", **PRODUCTION)
    assert found.SECRET_KEY == SECRET
    assert found.SECRET_KEY_FALLBACKS == []
    assert settings.test.SECRET_KEY != SECRET, "nobody else's settings have changed"


def test_an_origin_that_would_let_nobody_in_is_refused_at_the_start() -> None:
    for name in ("CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"):
        said = refusal(**PRODUCTION, **{name: "https://a.example,b.example"})
        assert f"{name}: 'b.example' is no origin" in said
        assert "a.example'" not in said
    assert "CSRF_TRUSTED_ORIGINS" in refusal(**PRODUCTION, CSRF_TRUSTED_ORIGINS="*")
    of_all = "https://*.shop.example"
    assert [of_all] == load("production", **PRODUCTION, CSRF_TRUSTED_ORIGINS=of_all).CSRF_TRUSTED_ORIGINS


def test_the_shop_has_one_currency_which_is_among_those_that_it_takes() -> None:
    assert load("development", CURRENCY="CHF").CURRENCIES == ["CHF"]
    assert load("development", CURRENCY="CHF", CURRENCIES="EUR,CHF").CURRENCIES == ["EUR", "CHF"]
    for given, said in (
        ({"CURRENCY": "EUR,CHF"}, "CURRENCY is one currency"),
        ({"CURRENCY": "CHF", "CURRENCIES": "EUR"}, "CURRENCIES must name CURRENCY (CHF), too"),
        ({"CURRENCY": "EURO"}, "CURRENCY: EURO is not the code of a currency"),
        ({"STAFF_TWO_FACTOR": "maybe"}, "STAFF_TWO_FACTOR='maybe' must be one of: off, optional, required"),
        ({"STAFF_TWO_FACTOR_ROLES": "Finance"}, "STAFF_TWO_FACTOR_ROLES is set, but STAFF_TWO_FACTOR is not required"),
    ):
        assert said in refusal(**PRODUCTION, **given)


SIGN_ON = {
    "OIDC_ISSUER": "https://id.example/realms/shop/",
    "OIDC_CLIENT_ID": "order-service",
    "OIDC_CLIENT_SECRET": "from the provider",
    "OIDC_GROUPS": "order-support=Support, /staff/finance=Finance,cn=admins=Manager",
}


def test_sign_on_is_off_unless_a_provider_is_named_and_then_comes_before_passwords() -> None:
    axes, passwords = "axes.backends.AxesStandaloneBackend", sign_on.PASSWORDS
    assert [axes, passwords] == load("production", **PRODUCTION).AUTHENTICATION_BACKENDS
    found = load("production", **PRODUCTION, **SIGN_ON)
    assert [sign_on.BACKEND, axes, passwords] == found.AUTHENTICATION_BACKENDS
    assert found.OIDC_ISSUER == "https://id.example/realms/shop"
    assert found.OIDC_GROUPS == {"order-support": "Support", "/staff/finance": "Finance", "cn=admins": "Manager"}
    assert (found.OIDC_CREATE_ACCOUNTS, found.OIDC_SCOPES) == (True, "openid profile email")
    only = load("production", **PRODUCTION, **SIGN_ON, LOCAL_LOGIN="false")
    assert [sign_on.BACKEND, axes] == only.AUTHENTICATION_BACKENDS, "no password opens anything"
    assert load("production", **PRODUCTION, **SIGN_ON | {"OIDC_ISSUER": "http://127.0.0.1:8080"}).OIDC_ISSUER


def test_a_sign_on_that_would_let_in_nobody_or_anybody_is_refused_at_the_start() -> None:
    for given, said in (
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID is not set"),
        ({"OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET is not set"),
        ({"OIDC_GROUPS": ""}, "OIDC_GROUPS is not set"),
        ({"OIDC_GROUPS": "Support"}, "OIDC_GROUPS: 'Support' is not of the form value=Group"),
        ({"OIDC_GROUPS": "=Support"}, "OIDC_GROUPS: '=Support' is not of the form"),
        ({"OIDC_GROUPS": "a=Support,a=Finance"}, "OIDC_GROUPS names 'a' twice"),
        ({"OIDC_ISSUER": "http://id.example"}, "OIDC_ISSUER must be an https address"),
        ({"OIDC_ISSUER": "https://id.example/?p=1"}, "OIDC_ISSUER must have no user, query or fragment"),
        ({"OIDC_ISSUER": "https://u:secret@id.example"}, "OIDC_ISSUER must have no user, query or fragment"),
        ({"OIDC_ISSUER": "id.example"}, "OIDC_ISSUER is not an http or https address"),
        ({"OIDC_SCOPES": "profile"}, "OIDC_SCOPES must contain openid"),
        ({"OIDC_LABEL": "x" * 61}, "OIDC_LABEL is longer than the 60 characters"),
        ({"OIDC_ISSUER": ""}, "OIDC_CLIENT_SECRET is set, but OIDC_ISSUER is not"),
        ({"OIDC_ISSUER": "", "LOCAL_LOGIN": "false"}, "nobody could log in"),
    ):
        told = refusal(**PRODUCTION, **SIGN_ON | given)
        assert said in told, given
        assert "secret@" not in told


def test_unless_told_otherwise_unpaid_orders_are_limited_and_expire() -> None:
    """A shop that sets nothing cannot have its stock held for ever."""
    found = load("production", **PRODUCTION)
    assert (found.MAX_OPEN_ORDERS_PER_USER, found.EXPIRE_UNPAID_EVERY) == (20, 60.0)
    off = load("production", **PRODUCTION, MAX_OPEN_ORDERS_PER_USER="0", EXPIRE_UNPAID_EVERY="0")
    assert (off.MAX_OPEN_ORDERS_PER_USER, off.EXPIRE_UNPAID_EVERY) == (0, 0.0)


def test_production_knows_sessions_by_former_secrets_too() -> None:
    found = load("production", **PRODUCTION, SECRET_KEY_FALLBACKS=f"{SECRET}1,{SECRET}2")
    assert [f"{SECRET}1", f"{SECRET}2"] == found.SECRET_KEY_FALLBACKS


@pytest.mark.parametrize(
    ("former", "said"),
    [(f"{SECRET},short", "shorter than 32 characters"), (f"changeme{SECRET}", "is a placeholder")],
)
def test_a_former_secret_that_is_none_is_refused(former: str, said: str) -> None:
    assert re.search(f"SECRET_KEY_FALLBACKS (is )?{said}", refusal(**PRODUCTION, SECRET_KEY_FALLBACKS=former))


UNSAFE: dict[str, tuple[dict[str, str], list[str]]] = {
    "a placeholder, a debugger, open doors, a weak token key": (
        {"SECRET_KEY": "your-secret-key-here", "DEBUG": "true", "AUTH_STUB": "1", "JWT_SHARED_KEY": "short"},
        ["SECRET_KEY", "DEBUG", "AUTH_STUB", "JWT_SHARED_KEY"],
    ),
    "an unsafe database and malformed values": (
        {"MONGODB_URI": "mongodb://db/?w=1&readPreference=secondary", "PORT": "eighty", "USER_SERVICE_URL": "users"},
        [
            "MONGODB_URI asks for another read preference",
            "MONGODB_URI asks for another write",
            "PORT",
            "USER_SERVICE_URL",
        ],
    ),
    "time limits out of order": (
        {"PEER_READ_TIMEOUT": "10", "GUNICORN_TIMEOUT": "10", "STOCK_LEASE": "10"},
        ["PEER_READ_TIMEOUT", "REQUEST_DEADLINE", "DATABASE_DEADLINE", "GUNICORN_TIMEOUT", "STOCK_LEASE"],
    ),
    "a deadline in which not one call to a peer fits": (
        {"PEER_CONNECT_TIMEOUT": "1", "PEER_READ_TIMEOUT": "3", "REQUEST_DEADLINE": "3.5"},
        ["REQUEST_DEADLINE"],
    ),
    "a deadline in which verifying and reserving do not fit": (
        {"PEER_CONNECT_TIMEOUT": "1", "PEER_READ_TIMEOUT": "3", "REQUEST_DEADLINE": "11"},
        ["REQUEST_DEADLINE"],
    ),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_production_refuses(case: str) -> None:
    changes, named = UNSAFE[case]
    said = refusal(**(PRODUCTION | changes))
    assert [name for name in named if name not in said] == []


def test_a_token_key_that_starts_with_a_dollar_is_not_silently_another() -> None:
    assert load("production", **PRODUCTION, JWT_SHARED_KEY="$" + SECRET).JWT_SHARED_KEY == "$" + SECRET


@pytest.mark.parametrize("path", ["/", "api", "api/v1", "static/x", "health", "a b", "../x", "é", "a//b", "x?y"])
def test_an_admin_path_that_cannot_be_is_refused(path: str) -> None:
    assert "ADMIN_PATH" in refusal(**PRODUCTION, ADMIN_PATH=path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (31_536_000, True, True)),
        ({"SECURE_HSTS_SECONDS": "3600"}, (3600, True, False)),
        ({"SECURE_HSTS_SECONDS": "0"}, (0, True, False)),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": "false"}, (31_536_000, False, False)),
        ({"SECURE_HSTS_PRELOAD": "false"}, (31_536_000, True, False)),
        ({"SECURE_HSTS_SECONDS": "63072000", "SECURE_HSTS_PRELOAD": "true"}, (63_072_000, True, True)),
        ({"SECURE_HSTS_SECONDS": "3600", "SECURE_HSTS_PRELOAD": "true"}, None),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": "false", "SECURE_HSTS_PRELOAD": "true"}, None),
    ],
)
def test_browsers_are_asked_to_preload_only_what_their_list_takes(
    given: dict[str, str], expected: tuple[int, bool, bool] | None
) -> None:
    if expected is None:
        said = "\n  SECURE_HSTS_PRELOAD needs SECURE_HSTS_SECONDS of at least 31536000 and"
        assert said in refusal(**PRODUCTION, **given)
    else:
        found = load("production", **PRODUCTION, **given)
        assert expected == (found.SECURE_HSTS_SECONDS, found.SECURE_HSTS_INCLUDE_SUBDOMAINS, found.SECURE_HSTS_PRELOAD)


ENTRIES = {
    "manage.py": ["manage.py", "migrate"],
    "manage.py, for what needs no settings": ["manage.py", "help"],
    "the worker": ["manage.py", "run_worker"],
    "gunicorn": ["-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf", "--workers", "3"],
    "the look for demo logins": ["-m", "orders_project.demo_logins"],
    "the settings alone": ["-m", "orders_project.settings"],
}


def start(arguments: list[str], **given: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the settings of production in an environment with these variables."""
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"} or name.startswith("COV")}
    bare["DJANGO_SETTINGS_MODULE"] = "orders_project.settings.production"
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=bare | given, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_program_says_what_is_wrong_once_in_a_list_and_ends(entry: str) -> None:
    wrong = {"PORT": "eighty", "WEB_THREADS": "many", "METRICS_PORT": "-1", "GUNICORN_TIMEOUT": "0.5"}
    done = start(ENTRIES[entry], **PRODUCTION | {"SECRET_KEY": ""} | wrong)
    assert done.returncode == 78
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "Booting worker" not in said
    head, _, listed = said.partition("These settings keep the service from starting:\n")
    *problems, last = listed.splitlines()
    assert sorted(problem.split()[0].rstrip(":") for problem in problems) == sorted({"SECRET_KEY", *wrong})
    assert last == "docs/settings.md explains every setting."
    assert len(head.splitlines()) == (1 if entry == "gunicorn" else 0), "a line of the log"


@pytest.mark.slow
def test_what_gunicorn_looks_at_before_it_listens_are_the_backends_too() -> None:
    """With the exit code of whatever else is refused: gunicorn ends with that, and with another goes on to listen."""
    unfit = {"PRODUCT_BACKEND": "shop.Products", "INVENTORY_BACKEND": "os.path.join"}
    done = start(ENTRIES["the look for demo logins"], **PRODUCTION | unfit)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (78, "", False)
    assert all(f"\n  {setting}: {path} " in done.stderr for setting, path in unfit.items())


def test_settings_that_there_are_not_are_said_to_be_missing() -> None:
    done = start(["manage.py", "check"], DJANGO_SETTINGS_MODULE="orders_project.settings.prod")
    assert (done.returncode, done.stdout) == (78, "")
    assert "\n  DJANGO_SETTINGS_MODULE: there is no module orders_project.settings.prod\n" in done.stderr


def test_the_health_check_of_a_web_server_that_was_refused_is_a_line() -> None:
    done = start(["-m", "orders_project.web.healthcheck"], PORT="eighty", BIND_HOST="nowhere.invalid")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("no answer: ")
    assert len(done.stdout.splitlines()) == 1
