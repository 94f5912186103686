"""`manage.py link_staff_login`: let somebody who signs on at the provider into an account that exists."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db import IntegrityError

from orders.management.order_command import USAGE, OrderCommand
from orders_project.models import StaffIdentity
from orders_project.sign_on import accounts
from orders_project.staff import links, sign_ins

HELP = """Link an account of the backoffice to a person at the sign-on provider (OIDC_ISSUER), by their subject there:
from then on their sign-on opens this account, and their groups there decide its groups here. Its password, and a link
to set one, are worth nothing any more, and its sessions end.

The subject is shown on the page that refuses somebody without an account; most providers show it as the user's id. The
link is the only way from a sign-on to an account that it did not make itself: nobody is recognised by e-mail or name.

A superuser's account needs --superuser: whoever controls that person's sign-on then may do everything here.

Exit code 0: it is linked, or no longer; 2: nothing was changed.

Examples:
  manage.py link_staff_login alice --subject 248289761001
  manage.py link_staff_login root --subject 248289761001 --superuser
  manage.py link_staff_login alice --unlink
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="NAME", help="of the account")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--subject", help="the person's `sub` at the provider")
        what.add_argument("--unlink", action="store_true", help="remove the account's links")
        parser.add_argument("--superuser", action="store_true", help="link it though it is a superuser's")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"there is no account {options['username']!r}", returncode=USAGE)
        if options["unlink"]:
            removed, _ = StaffIdentity.objects.filter(user=user).delete()
            self.stdout.write(f"{user.username} is linked to nobody now ({removed} removed); sessions go on")
            return
        self._link(user, options["subject"], may_be_superuser=options["superuser"])
        self.stdout.write(f"{user.username} is linked to {options['subject']} at {settings.OIDC_ISSUER}")

    def _link(self, user: User, subject: str, *, may_be_superuser: bool) -> None:
        if not settings.OIDC_ISSUER:
            raise CommandError("OIDC_ISSUER is not set", returncode=USAGE)
        if user.is_superuser and not may_be_superuser:
            raise CommandError(f"{user.username} is a superuser: say --superuser if you mean it", returncode=USAGE)
        if StaffIdentity.objects.filter(user=user, issuer=settings.OIDC_ISSUER).exists():
            raise CommandError(f"{user.username} is linked already: --unlink it first", returncode=USAGE)
        try:
            accounts.link(user, settings.OIDC_ISSUER, subject)
        except IntegrityError as error:
            other = accounts.linked(settings.OIDC_ISSUER, subject)
            raise CommandError(f"{subject} is linked to {other} already", returncode=USAGE) from error
        links.take_password(user)
        sign_ins.end_all(user, by=user)
