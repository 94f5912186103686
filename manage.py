#!/usr/bin/env python
"""Run a management command.

In development, where MONGODB_URI is not set, a MongoDB of our own runs as long as the command does. It is shared
with what else runs on the same data: `manage.py shell` beside `make run` sees the same orders.
"""

import os
import signal
import sys
from contextlib import ExitStack

from orders_project.embedded_mongo import EmbeddedMongo, EmbeddedMongoError
from orders_project.loopback import data_dir
from orders_project.real_systems import HANDED_ON, mongo_directory, real_systems

DEVELOPMENT = "orders_project.settings.development"
NO_DATABASE = {"check", "collectstatic", "diffsettings", "help", "makemessages", "quickstart", "spectacular"}
"""Commands that never look into the database, and so need not wait for one."""


def uses_database(argv: list[str]) -> bool:
    """Tell whether a command line like `manage.py migrate` looks into the database."""
    return len(argv) > 1 and argv[1] not in NO_DATABASE and not {"-h", "--help", "--version"} & set(argv)


def provide_database(stack: ExitStack) -> None:
    """Start or share the embedded MongoDB until the stack closes, and name it to Django."""
    try:
        mongo = stack.enter_context(EmbeddedMongo(mongo_directory(data_dir(), os.environ)))
    except EmbeddedMongoError as error:
        sys.exit(complain(str(error)))
    os.environ[HANDED_ON] = " ".join(real_systems(os.environ))
    os.environ["MONGODB_URI"] = mongo.uri


def find_sandbox() -> None:
    """Name the sandbox peers of a quickstart that runs beside us, should they not be at their usual port."""
    port = data_dir() / "sandbox.port"
    if port.exists():
        os.environ.setdefault("SANDBOX_PORT", port.read_text().strip())


def complain(message: str) -> int:
    """Say in one line why nothing was done; return the exit code for that."""
    sys.stderr.write(f"{message}\n")
    return 2


def main(argv: list[str]) -> None:
    """Run the command that the arguments name, in development unless the environment says otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", DEVELOPMENT)
    if argv[1:] == ["quickstart"]:
        from orders_project import quickstart  # it starts Django in its children, and is faster without it

        sys.exit(quickstart.main())
    with ExitStack() as stack:
        if os.environ["DJANGO_SETTINGS_MODULE"] == DEVELOPMENT and uses_database(argv):
            if not os.environ.get("MONGODB_URI", "").strip():
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
                provide_database(stack)
            find_sandbox()
        from django.core.management import execute_from_command_line  # settings may be read only now

        execute_from_command_line(argv)


if __name__ == "__main__":
    main(sys.argv)
