"""`manage.py quickstart`: see devtools/quickstart.py, and `make run`."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from pymongo.errors import PyMongoError

from devtools import quickstart
from devtools.localhost import HOST, reachable
from devtools.real_systems import SIGNING, named, real_systems
from devtools.welcome import welcome_text


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
        try:
            call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        except (DatabaseError, PyMongoError) as error:
            raise CommandError(f"the database cannot be migrated: {str(error).split(', Timeout:')[0]}") from error
        real = real_systems(os.environ)
        if not real:
            call_command("load_demo_data", stdout=self.stdout)
        host = reachable(os.environ.get("BIND_HOST") or HOST)
        keys = named(os.environ, SIGNING)
        prepare.touch(mode=0o600)
        prepare.write_text(welcome_text(f"http://{host}:{settings.PORT}", real=real, keys=keys))
