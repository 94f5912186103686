"""`manage.py load_demo_data`: a shop to try things out in."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.errors import PeerError
from orders.services.errors import OrderError
from orders_project import demo


class Command(BaseCommand):
    help = (
        "Load a catalogue, customers, one staff login per role and about 300 orders of the last 60 days. Needs the "
        "sandbox peers (`manage.py quickstart` runs them). Does nothing where they are loaded; goes on where it was "
        "interrupted. For development only."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not hasattr(settings, "SANDBOX_MONGODB_DB"):
            raise CommandError("demo data are for development: they need the sandbox peers, which `make run` starts")
        demo.prepare()
        if demo.is_loaded():
            self.stdout.write("demo data is there already")
            return
        try:
            count = demo.load_orders(timezone.now())
        except (PeerError, OrderError) as error:
            raise CommandError(f"the sandbox does not answer ({error}); start it with `make run`") from error
        self.stdout.write(f"loaded {count} demo orders")
