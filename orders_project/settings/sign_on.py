"""Settings of how staff log in: by OpenID Connect, by password, or both."""

from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from orders_project.settings.env import Environment

BACKEND = "orders_project.sign_on.client.SignOnBackend"
PASSWORDS = "django.contrib.auth.backends.ModelBackend"
NEEDED = ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_GROUPS")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LONGEST_LABEL = 60


def sign_on(env: Environment) -> dict[str, Any]:
    """The settings by name; see docs/settings.md."""
    issuer, local = env.url("OIDC_ISSUER"), env.flag("LOCAL_LOGIN", default=True)
    scopes, label = env.text("OIDC_SCOPES", "openid profile email"), env.text("OIDC_LABEL")
    found = {
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": env.text("OIDC_CLIENT_ID"),
        "OIDC_CLIENT_SECRET": env.text("OIDC_CLIENT_SECRET"),
        "OIDC_SCOPES": scopes,
        "OIDC_LABEL": label or _("Log in with single sign-on"),
        "OIDC_GROUPS_CLAIM": env.text("OIDC_GROUPS_CLAIM", "groups"),
        "OIDC_GROUPS": _groups(env),
        "OIDC_CREATE_ACCOUNTS": env.flag("OIDC_CREATE_ACCOUNTS", default=True),
        "LOCAL_LOGIN": local,
        "AUTHENTICATION_BACKENDS": backends(by_provider=bool(issuer), by_password=local),
        "RATE_LIMIT_SIGN_ONS": env.integer("RATE_LIMIT_SIGN_ONS", 60),
    }
    if issuer:
        env.require(*NEEDED)
        _refuse_plain_http(env, issuer)
    else:
        env.problems.extend(f"{name} is set, but OIDC_ISSUER is not" for name in NEEDED if env.text(name))
        if not local:
            env.problems.append("LOCAL_LOGIN is false, and OIDC_ISSUER is not set: nobody could log in")
    if "openid" not in scopes.split():
        env.problems.append("OIDC_SCOPES must contain openid, e.g. openid profile email")
    if len(label) > LONGEST_LABEL:
        env.problems.append(f"OIDC_LABEL is longer than the {LONGEST_LABEL} characters that fit on a button")
    return found


def backends(*, by_provider: bool, by_password: bool) -> list[str]:
    """Who is asked whether somebody may log in. Sessions of a way that is missing here are over.

    The limits on guessing passwords come after the provider's: whoever signs on there tries no password here.
    """
    asked = [BACKEND] if by_provider else []
    return [*asked, "axes.backends.AxesStandaloneBackend", *([PASSWORDS] if by_password else [])]


def _groups(env: Environment) -> dict[str, str]:
    """Value of the claim → group of ours."""
    found: dict[str, str] = {}
    for one in env.items("OIDC_GROUPS"):
        value, _equals, group = (part.strip() for part in one.rpartition("="))
        if not (value and group):
            env.problems.append(f"OIDC_GROUPS: {one!r} is not of the form value=Group, e.g. order-support=Support")
        elif value in found:
            env.problems.append(f"OIDC_GROUPS names {value!r} twice")
        found[value] = group
    return found


def _refuse_plain_http(env: Environment, issuer: str) -> None:
    address = urlsplit(issuer)
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        env.problems.append("OIDC_ISSUER must be an https address: over plain HTTP anybody on the way could log in")
    if address.query or address.fragment or address.username:
        env.problems.append("OIDC_ISSUER must have no user, query or fragment")
