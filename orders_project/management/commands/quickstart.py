"""`manage.py quickstart`: see orders_project/quickstart.py, and `make run`."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

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
            help="start nothing: only migrate, load the demo data, and write to FILE how to use the service",
        )

    def handle(self, *_args: Any, prepare: Path | None, **_options: Any) -> None:
        if prepare is None:
            sys.exit(quickstart.main())
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        call_command("load_demo_data", stdout=self.stdout)
        host = reachable(os.environ.get("BIND_HOST") or HOST)
        prepare.touch(mode=0o600)
        prepare.write_text(quickstart_card(f"http://{host}:{settings.PORT}"))
