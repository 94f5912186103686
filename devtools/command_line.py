"""`manage.py` in development: a MongoDB of our own runs as long as the command does, unless MONGODB_URI is set.

It is shared with what else runs on the same data: `manage.py shell` beside `make run` sees the same orders.
"""

import os
import signal
import sys
from contextlib import ExitStack

from devtools import quickstart
from devtools.embedded_mongo import EmbeddedMongo, EmbeddedMongoError
from devtools.localhost import data_dir
from devtools.real_systems import DATABASE, HANDED_ON, mongo_directory, real_systems

NO_DATABASE = {
    "check",
    "collect_messages",
    "collectstatic",
    "diffsettings",
    "help",
    "makemessages",
    "quickstart",
    "spectacular",
}
"""Commands that never look into the database, and so need not wait for one."""


def run(argv: list[str]) -> None:
    """Run the command that the arguments name, with what it needs around it."""
    if argv[1:] == ["quickstart"]:  # it starts Django in its children, and is faster without it
        sys.exit(quickstart.main())
    with ExitStack() as stack:
        if uses_database(argv):
            provide_database(stack)
            find_sandbox()
        from django.core.management import execute_from_command_line  # settings may be read only now

        execute_from_command_line(argv)


def uses_database(argv: list[str]) -> bool:
    """Tell whether a command line like `manage.py migrate` looks into the database."""
    return len(argv) > 1 and argv[1] not in NO_DATABASE and not {"-h", "--help", "--version"} & set(argv)


def provide_database(stack: ExitStack) -> None:
    """Unless MONGODB_URI is set, start or share the embedded MongoDB until the stack closes, and set it to that one."""
    if os.environ.get(DATABASE, "").strip():
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        mongo = stack.enter_context(EmbeddedMongo(mongo_directory(data_dir(), os.environ)))
    except EmbeddedMongoError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    os.environ[HANDED_ON] = " ".join(real_systems(os.environ))
    os.environ[DATABASE] = mongo.uri


def find_sandbox() -> None:
    """Set SANDBOX_PORT to that of a quickstart that runs beside us, should it not be the usual one."""
    port = data_dir() / "sandbox.port"
    if port.exists():
        os.environ.setdefault("SANDBOX_PORT", port.read_text().strip())
