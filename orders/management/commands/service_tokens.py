"""`manage.py service_tokens`: list the tokens of services, or revoke one."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from bson import ObjectId
from django.utils import timezone

from orders.management.arguments import actor_name, object_id
from orders.management.order_command import OrderCommand
from orders.models import ServiceToken
from orders.services import access, service_tokens
from orders.services.days import local

HELP = """List the tokens by which other services call the API, the newest first: id, name, state, scopes, who made it
and when, and when it was last used, to the minute. Or revoke one: it is refused from the next request on. The id of a
token that was found somewhere stands in it: ost_<id>_….

Exit code 0: done; 2: bad usage, or there is no such token.

Examples:
  manage.py service_tokens
  manage.py service_tokens --revoke 68f2c1d09b1e8a0012b70001
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--revoke", type=object_id, metavar="ID", help="the token that is refused from now on")

    def handle(self, *args: Any, revoke: ObjectId | None, **options: Any) -> None:
        actor, now = access.system(actor_name(), via="command"), timezone.now()
        if revoke:
            token = service_tokens.revoke(revoke, actor=actor, at=now)
            self.stdout.write(f"The token {token.pk} of {token.name} is revoked.")
            return
        for token in service_tokens.list_tokens(actor):
            self.stdout.write(_line(token, now))


def _line(token: ServiceToken, now: datetime) -> str:
    made = f"made {_day(token.created_at)} by {token.created_by}"
    used = f"last used {local(token.last_used_at):%Y-%m-%d %H:%M %Z}" if token.last_used_at else "never used"
    return f"{token.pk}  {token.name}  {_state(token, now)}  {' '.join(token.scopes)}  {made}  {used}"


def _state(token: ServiceToken, now: datetime) -> str:
    if token.revoked_at:
        return f"revoked {_day(token.revoked_at)} by {token.revoked_by}"
    if token.expires_at:
        return f"{'expired' if token.expires_at <= now else 'expires'} {_day(token.expires_at)}"
    return "active"


def _day(moment: datetime) -> str:
    return f"{local(moment):%Y-%m-%d}"
