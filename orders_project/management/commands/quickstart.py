"""`manage.py quickstart`: see orders_project/quickstart.py, and `make run`."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from pymongo.errors import PyMongoError

from orders_project import quickstart
from orders_project.card import quickstart_card
from orders_project.loopback import HOST, reachable


class Command(BaseCommand):
    help = "Start the service with all that it needs on this machine, and print how to use it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare",
            type=Path,
            metavar="FILE",
            help="start nothing: only migrate, load demo data where nothing is real, and write to FILE how to use it",
        )

    def handle(self, *_args: Any, prepare: Path | None, **_options: Any) -> None:
        if prepare is None:
            sys.exit(quickstart.main())
        real: list[str] | None = getattr(settings, "REAL_SYSTEMS", None)
        if real is None:
            raise CommandError("the quickstart is for development")
        try:
            call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        except (DatabaseError, PyMongoError) as error:
            raise CommandError(f"the database cannot be migrated: {str(error).split(', Timeout:')[0]}") from error
        if not real:
            call_command("load_demo_data", stdout=self.stdout)
        host = reachable(os.environ.get("BIND_HOST") or HOST)
        keys: list[str] = getattr(settings, "REAL_KEYS", [])
        prepare.touch(mode=0o600)
        prepare.write_text(quickstart_card(f"http://{host}:{settings.PORT}", real=real, keys=keys))
