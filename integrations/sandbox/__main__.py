"""Run the sandbox in the foreground: `python -m integrations.sandbox`.

Exit codes: 0 after SIGTERM or SIGINT, 2 (and one line on stderr) if it cannot start.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from integrations.sandbox.app import Sandbox
from integrations.sandbox.catalogue import seed
from integrations.sandbox.open_transactions import abort_open_transactions

_PATIENCE = "serverSelectionTimeoutMS"


class CannotStartError(Exception):
    """The sandbox cannot run as it was asked to; the message is one line for whoever started it."""


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop and return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        options = _options(argv)
        # Both signals, also where a shell that starts us in the background has SIGINT ignored.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            _serve(options)
    except CannotStartError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    environment = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox", description=__doc__)
    parser.add_argument("--host", default=environment("SANDBOX_HOST", "127.0.0.1"))
    parser.add_argument("--port", default=environment("SANDBOX_PORT", "8010"), help="0: the system chooses")
    parser.add_argument("--mongodb-uri", default=environment("MONGODB_URI"), help="of a replica set")
    parser.add_argument("--db", default=environment("SANDBOX_MONGODB_DB", "order_db_sandbox"))
    parser.add_argument("--seed", action="store_true", help="add what is missing of the demo catalogue")
    parser.add_argument("--honour-keys", action="store_true", help="honour idempotency keys from the start")
    parser.add_argument(
        "--pause", type=float, metavar="SECONDS",
        help="be not atomic, as the published inventory is: so long between a look at the stock and its change",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if not options.mongodb_uri:
        raise CannotStartError("Name the MongoDB to keep the stock in, with --mongodb-uri or MONGODB_URI")
    if not options.port.isdecimal() or int(options.port) > 65535:
        raise CannotStartError(f"The port must be a number from 0 to 65535, not {options.port!r}")
    return options


def _serve(options: argparse.Namespace) -> None:
    app_name = f"integrations.sandbox {options.port} {options.db}"[:120]  # by which its successor knows it
    with _connect(options.mongodb_uri, app_name) as client:
        sandbox = Sandbox(client[options.db], options.host, int(options.port))
        sandbox.control.honour_keys(options.honour_keys)
        if options.pause is not None:
            sandbox.control.be_atomic(False, options.pause)
        try:
            _start(sandbox, client, app_name, demo=options.seed)
            sys.stdout.write(f"Sandbox of users, products and inventory at {sandbox.url}\n")
            sys.stdout.flush()
            sandbox.join()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            sandbox.stop()


def _start(sandbox: Sandbox, client: MongoClient[dict[str, Any]], app_name: str, *, demo: bool) -> None:
    try:
        abort_open_transactions(client, app_name)
        if demo:
            seed(sandbox.control)
        sandbox.start()
    except OSError as error:
        raise CannotStartError(f"Cannot listen: {error.strerror or error}") from error
    except PyMongoError as error:
        raise CannotStartError(f"Cannot use MongoDB: {_first_line(error)}") from error


def _connect(uri: str, app_name: str) -> MongoClient[dict[str, Any]]:
    # Three seconds for a server to be found, unless the URI says otherwise.
    patience: dict[str, Any] = {} if _PATIENCE.lower() in uri.lower() else {_PATIENCE: 3000}
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(uri, appname=app_name, **patience)
    except (PyMongoError, ValueError) as error:
        raise CannotStartError(f"The MongoDB URI cannot be used: {_first_line(error)}") from error
    try:
        hello = client.admin.command("hello")
    except PyMongoError as error:
        client.close()
        raise CannotStartError(f"MongoDB cannot be reached: {_first_line(error)}") from error
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        client.close()
        raise CannotStartError("MongoDB must run as a replica set (one node will do): the stock needs transactions")
    return client


def _first_line(error: Exception) -> str:
    # pymongo appends a description of the whole topology, or of the reply, to what a reader needs.
    text = str(error).split(", Timeout:")[0].split(", full error:")[0]
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
