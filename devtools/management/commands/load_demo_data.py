"""`manage.py load_demo_data`: a shop to try things out in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from devtools import demo_data
from integrations import PeerError
from orders.services.errors import OrderError


class Command(BaseCommand):
    help = (
        "Load a catalogue, customers, one staff login per role and about 300 orders of the last 60 days. Needs the "
        "sandbox peers (`manage.py quickstart` runs them). Does nothing where they are loaded; goes on where it was "
        "interrupted. For development only: refused where a setting names a database or a peer."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            demo_data.refuse_real_systems()
            demo_data.find_sandbox()
        except demo_data.RealSystemError as error:
            raise CommandError(str(error)) from error
        except demo_data.NoSandboxError as error:
            raise CommandError(f"the sandbox does not answer ({error}); start it with `make run`") from error
        demo_data.prepare()
        if demo_data.is_loaded():
            self.stdout.write("demo data is there already")
            return
        try:
            count = demo_data.load_orders(timezone.now())
        except (PeerError, OrderError) as error:
            raise CommandError(f"the sandbox does not answer ({error}); start it with `make run`") from error
        self.stdout.write(f"loaded {count} demo orders")
