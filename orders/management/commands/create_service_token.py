"""`manage.py create_service_token`: let another service of the shop call the API."""

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from orders.management.arguments import actor_name, positive
from orders.management.order_command import OrderCommand
from orders.services import access, service_tokens
from orders.services.days import local

HELP = """Make a token by which another service of the shop calls the API. It goes to standard output, once: only its
SHA-256 is stored. Histories name the service, as service:NAME. To replace a token, make another of the same name, and
revoke the old one when nothing uses it any more.

Scopes, each with or without `orders.` before it:
{scopes}

Exit code 0: it was made; 2: bad usage.

Examples:
  manage.py create_service_token payments --scope pay_order
  manage.py create_service_token warehouse --scope read_orders start_processing_order ship_order --expires 365
"""


class Command(OrderCommand):
    @property
    def help(self) -> str:  # type: ignore[override]
        """Listing the scopes that there are."""
        words = access.SCOPE_WORDS.items()
        return HELP.format(scopes="\n".join(f"  {scope:<24}{told}" for scope, told in words))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="of the service, e.g. payments")
        parser.add_argument(
            "--scope", nargs="+", action="extend", required=True, metavar="SCOPE", help="what it may do"
        )
        parser.add_argument(
            "--expires", type=positive, metavar="DAYS", help="days until it ends; by default it does not"
        )

    def handle(self, *args: Any, name: str, scope: list[str], expires: int | None, **options: Any) -> None:
        actor = access.system(actor_name(), via="command")
        made = service_tokens.create(name=name, scopes=scope, days=expires, actor=actor, at=timezone.now())
        token = made.token
        until = f"until {local(token.expires_at):%Y-%m-%d %H:%M %Z}" if token.expires_at else "until it is revoked"
        self.stderr.write(f"Token of {name}, valid {until}, for: {', '.join(token.scopes)}. It is not shown again:")
        self.stdout.write(made.secret)
