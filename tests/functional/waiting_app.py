"""A WSGI app that does as its path says: what a worker of gunicorn does with it depends on the worker alone."""

import sys
import time
from collections.abc import Callable
from typing import Any


def application(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """`/0.5` is answered after half a second, `/exit` ends the interpreter if it may."""
    asked = environ["PATH_INFO"].removeprefix("/")
    if asked == "exit":
        sys.exit("told to")
    time.sleep(float(asked or 0))
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]
