"""The format of log lines: a JSON object for machines, or a line of text for people.

Only safe values are logged: the record's message, what :mod:`observability.context` has bound, and
extras that are plain values. A request object, as Django's own records carry it, would bring addresses and parameters.
"""

import logging
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from observability import context, processes

FORMATS = ("json", "text")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
PLAIN = (str, int, float, bool)
LONGEST = 2000
"""Characters of one value."""
LONGEST_TRACE = 20_000
SECRET = re.compile(r"(/set-password/).+", re.DOTALL)
_OF_RECORDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "status_code", "color_message"}
"""Attributes of every record, and those of Django's records that other fields already show."""


def default_format() -> str:
    """JSON in production, text elsewhere. From the environment: gunicorn's own process knows no settings."""
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "orders_project.settings.production")
    return "json" if module.endswith(".production") else "text"


def formatter_of(name: str) -> logging.Formatter:
    return JsonFormatter() if name == "json" else TextFormatter()


def details(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record besides its message: the bound ones, and its own plain extras, cut to LONGEST."""
    found: dict[str, Any] = {}
    if request_id := context.request_id.get():
        found["request_id"] = request_id
    found |= context.fields()
    for name, value in vars(record).items():
        if name not in _OF_RECORDS and isinstance(value, PLAIN):
            found[name] = value
    return {name: value[:LONGEST] if isinstance(value, str) else value for name, value in found.items()}


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `event`, `worker`, then the details, then `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage()[:LONGEST],
            "worker": processes.name(),
            **details(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-LONGEST_TRACE:]
        try:
            return orjson.dumps(line).decode()
        except TypeError:  # lone surrogates, or a whole number beyond 64 bits
            return orjson.dumps({name: _encodable(value) for name, value in line.items()}).decode()


def without_secret(path: str) -> str:
    """A path, or a text that ends with one, without what makes a link good for whoever reads it, mistyped or not."""
    return SECRET.sub(r"\1…", path)


def _encodable(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


class TextFormatter(logging.Formatter):
    """`time level logger: event  name=value …`, without control characters, which could forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
        said = "".join(f" {name}={value}" for name, value in details(record).items())
        event = f"{record.getMessage()[:LONGEST]}{'  ' if said else ''}{said.strip()}"
        line = f"{at} {record.levelname} {record.name}: {_printable(event)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == " " else repr(char)[1:-1] for char in text)


class OnlyFaults(logging.Filter):
    """Of Django's records about requests, keep those of unhandled errors: our own line covers the others.

    Who may not do something is told so, in their own language, by an exception too, which Django warns of.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        is_fault = bool(record.exc_info) and record.levelno >= logging.ERROR
        if is_fault:
            record.msg, record.args = without_secret(record.getMessage()), ()
        return is_fault


class FromOutside(logging.Filter):
    """Lower the level of what any stranger can cause by what they send: it is not an error of the service.

    :param client_of: returns the address that a request comes from, which the line then shows.
    """

    def __init__(self, client_of: Callable[[Any], str] | None = None) -> None:
        super().__init__()
        self.client_of = client_of

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.exc_info = record.exc_text = None
        request = getattr(record, "request", None)
        if self.client_of and request is not None:
            record.client = self.client_of(request)
        return logging.getLogger().isEnabledFor(logging.INFO)


class MalformedRequests(FromOutside):
    """The same for requests that gunicorn cannot parse."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Invalid request from ip=") or super().filter(record)


def configuration(format_name: str, level: str, client_of: str) -> dict[str, Any]:
    """Django's LOGGING.

    :param client_of: the path of a function that returns the address that a request comes from.

    pymongo, urllib3 and Django's database never log at DEBUG, whatever the level: they would log documents, addresses
    of people among them.
    """
    talkative: dict[str, Any] = {name: {"level": "INFO"} for name in ("pymongo", "urllib3", "django.db.backends")}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "only_faults": {"()": OnlyFaults},
            "from_outside": {"()": FromOutside, "client_of": f"ext://{client_of}"},
        },
        "formatters": {"line": {"()": formatter_of, "name": format_name}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
            "from_outside": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["from_outside"]},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": talkative
        | {
            # Else each line of Django's would be printed twice: once by the handler that it makes itself in DEBUG.
            "django": {"handlers": [], "level": "INFO"},
            "django.request": {"filters": ["only_faults"]},
            # Of each kind of SuspiciousOperation, and of forms without their token: those who send them are strangers.
            "django.security": {"handlers": ["from_outside"], "propagate": False},
        },
    }
