"""Demo data: a shop that has been busy for 60 days, for development with the sandbox peers.

Loading continues where it was interrupted. It is only for an embedded database and sandbox peers: a loader calls
`refuse_real_systems` first.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urljoin

import requests
from django.conf import settings
from django.contrib.auth.models import Group, User
from pymongo.database import Database

from devtools import demo_orders, demo_stories
from devtools.real_systems import real_systems
from integrations.sandbox.catalogue import seed
from integrations.sandbox.control import Control
from orders.storage.database import database
from orders_project.demo_logins import STAFF, SUPERUSER

MARKER = {"_id": "demo orders"}


class RealSystemError(Exception):
    """Something real would be written to; the message is one sentence."""


class NoSandboxError(Exception):
    """The sandbox is needed, and does not answer; the message says where."""


def refuse_real_systems() -> None:
    """Make sure that the database is the embedded one, and that no setting names a peer.

    :raises RealSystemError: they are not.
    """
    if real := real_systems(os.environ):
        raise RealSystemError(
            f"this is for the embedded database and the sandbox peers alone, and what {' and '.join(real)} "
            f"{'name' if len(real) > 1 else 'names'} may be real; nothing was written"
        )


def find_sandbox() -> None:
    """Make sure that it is the sandbox which answers at the address of each peer; asking changes nothing there.

    :raises NoSandboxError: it is something else, or nothing.
    """
    for url in {settings.USER_SERVICE_URL, settings.PRODUCT_SERVICE_URL, settings.INVENTORY_SERVICE_URL}:
        try:
            answer = requests.get(urljoin(url, "/control"), timeout=5)
        except requests.RequestException as error:
            raise NoSandboxError(f"{url}: {type(error).__name__}") from error
        if answer.status_code != 200 or b'"honour"' not in answer.content:
            raise NoSandboxError(f"{url} is something else")


def prepare() -> None:
    """Make what is missing of catalogue, customers, stock and logins. Safe to repeat."""
    seed(Control(_sandbox_database()))
    make_logins()


def make_logins() -> None:
    """Make what is missing of the staff's logins."""
    if not User.objects.filter(username=SUPERUSER).exists():
        User.objects.create_superuser(SUPERUSER, password=SUPERUSER)
    for login, role in STAFF.items():
        if not User.objects.filter(username=login).exists():
            user = User.objects.create_user(login, password=login, is_staff=True)
            user.groups.add(Group.objects.get(name=role))


def is_loaded() -> bool:
    """Tell whether the demo orders are all there."""
    return _sandbox_database()["demo"].find_one(MARKER) is not None


def load_orders(now: datetime) -> int:
    """Place the demo orders and make their transitions, up to `now`.

    :returns: how many orders there are.
    :raises PeerUnavailable: the sandbox does not answer; what is there stays, and the next call goes on.
    """
    stories = list(demo_stories.stories(now))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(partial(demo_orders.replay, now=now), stories))
    _sandbox_database()["demo"].replace_one(MARKER, MARKER, upsert=True)
    return len(stories)


def _sandbox_database() -> Database[dict[str, Any]]:
    return database().client[settings.SANDBOX_MONGODB_DB]  # type: ignore[misc]  # a development setting
