"""The logins of the demo data, whose passwords are their names, and refusing to serve a database that has them.

`manage.py check --deploy` looks for them, and so does the web server before it starts (`python -m
orders_project.demo_logins`, see web/gunicorn_refusals.py); not the worker, which has no log-in.
"""

import sys
from typing import Any

import django
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError
from pymongo.errors import PyMongoError

from orders_project.settings.refusal import EXIT_CODE, load_settings, refusal_told

SUPERUSER = "admin"
STAFF = {"support": "Support", "fulfilment": "Fulfilment", "finance": "Finance", "manager": "Manager"}
"""Login → role."""
LOGINS = (SUPERUSER, *STAFF)
PATIENCE = 3.0
"""Seconds to look for them; if the database does not answer, the server starts all the same."""
HINT = "Give each another password (manage.py changepassword NAME) or delete it."


def install() -> None:
    # Not Tags.database: those checks are left out by `check --deploy` unless databases are named.
    register(check, Tags.security, deploy=True)


def with_demo_password() -> list[str]:
    """Return the demo logins that still have their name as password: one read, by an index.

    :raises DatabaseError, PyMongoError: the database does not answer in time.
    """
    from django.contrib.auth.models import User  # needs the apps, which settings do not

    from orders.storage import time_limit

    with time_limit(PATIENCE):
        kept = dict(User.objects.filter(username__in=LOGINS).values_list("username", "password"))
    return [login for login in LOGINS if login in kept and check_password(login, kept[login])]


def refusal(logins: list[str]) -> str:
    """Say what is wrong with a database that holds these."""
    return f"The database {settings.MONGODB_DB} has demo logins whose password is their name: {', '.join(logins)}."


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error where there are any; a warning where the database could not be asked."""
    if not settings.MONGODB_URI:
        return []
    try:
        found = with_demo_password()
    except (DatabaseError, PyMongoError):
        what = "The database did not answer: whether it has demo logins was not seen."
        return [Warning(what, hint="Check again with the database up.", id="orders.W101")]
    return [Error(refusal(found), hint=HINT, id="orders.E101")] if found else []


def main() -> int:
    """Look once; say on stdout what was found. :returns: EXIT_CODE or 0; 1 where the database did not answer.

    :raises SystemExit: the settings are refused.
    """
    with refusal_told():
        load_settings()
        django.setup()  # which looks at the backends of the peers
    try:
        found = with_demo_password()
    except (DatabaseError, PyMongoError):
        sys.stdout.write("the database does not answer\n")
        return 1
    if found:
        sys.stdout.write(f"{refusal(found)} {HINT}\n")
    return EXIT_CODE if found else 0


if __name__ == "__main__":
    sys.exit(main())
