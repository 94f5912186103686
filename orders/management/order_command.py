"""What all commands about orders share: their help, how they are told to stop, and how they leave when they fail."""

import signal
import threading
from argparse import RawDescriptionHelpFormatter
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import DatabaseError

from integrations import PeerError
from orders.services.errors import OrderError

USAGE = 2
"""Exit code where nothing was done, since what was asked cannot be."""


class _Formatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Leaves the lines of the help as they are."""


class OrderCommand(BaseCommand):
    """Shows its `help` line by line, and says why it fails in one line: exit code 2 for what a service refuses."""

    outage_code: ClassVar[int] = 1
    """Exit code where the database or another service does not answer."""
    afterwards: ClassVar[str] = ""
    """What the operator should know who stops it, or finds the database away."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=_Formatter, **kwargs)

    def execute(self, *args: Any, **options: Any) -> str | None:
        more = self.afterwards and f"; {self.afterwards}"
        try:
            return super().execute(*args, **options)
        except OrderError as error:
            raise CommandError(error.detail, returncode=USAGE) from error
        except DatabaseError as error:
            raise CommandError(f"{unanswered(error)}{more}", returncode=self.outage_code) from error
        except PeerError as error:
            raise CommandError(f"{error.peer} does not answer: {error}{more}", returncode=self.outage_code) from error
        except KeyboardInterrupt as error:
            raise CommandError(f"stopped{more}", returncode=1) from error


def unanswered(error: DatabaseError) -> str:
    """What an operator is told of a database that does not answer."""
    return f"the database does not answer: {error.__cause__ or error}"


def stop_when_told() -> threading.Event:
    """Return an event that SIGTERM and SIGINT (Ctrl-C) set from now on, instead of ending the process at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
