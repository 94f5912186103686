"""Follow the feed of events into a SQLite database: a complete consumer, which needs Python and nothing else.

    ORDERS_TOKEN=… python follow_events.py --api https://orders.example.com/api/v1 --copy orders.sqlite3

It keeps a copy of every order, and a journal with one line for each event, which stands for whatever you do once for
each: a mail, a booking. Both change together with the cursor in one transaction: wherever the process is killed, each
event has happened once or not at all. What you do elsewhere, where no transaction of yours reaches, may be done
twice: give it the `id` of the event as its key.

The token must be an admin's. Each event is checked to be linked to the one before by its digest.
"""

import argparse
import hashlib
import http.client
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, version INTEGER NOT NULL, status TEXT NOT NULL, document TEXT);
CREATE TABLE IF NOT EXISTS journal (event_id TEXT PRIMARY KEY, cursor INTEGER NOT NULL, type TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY CHECK (only = 1), cursor INTEGER NOT NULL, digest TEXT);
"""
KEEP = """
INSERT INTO orders (id, version, status, document) VALUES (:id, :version, :status, :document)
ON CONFLICT (id) DO UPDATE SET version = :version, status = :status, document = :document WHERE :version >= version
"""
LINKED = ("cursor", "id", "type", "sequence", "order_id", "number", "version", "at", "content_digest")
"""The members of an event for which its digest vouches."""
START = "0" * 64
LATER = {429, 502, 503, 504}
"""Statuses after which the same is asked again."""
Json = dict[str, Any]


class Outdated(Exception):
    """The cursor is of no use: events after it have been deleted, or it is ahead of the feed."""


class Api:
    """GET requests, each repeated until it is answered."""

    def __init__(self, root: str, token: str) -> None:
        self.root, self._token = root.rstrip("/"), token

    def get(self, address: str) -> tuple[list[Json], dict[str, str]]:
        """:returns: the list that was answered, and the headers. :raises Outdated:"""
        pause = 0.5
        while True:
            try:
                return self._get(address)
            except urllib.error.HTTPError as error:
                if error.code in (409, 410):
                    raise Outdated(error.read().decode()) from error
                if error.code not in LATER:
                    raise
            except (OSError, http.client.HTTPException, ValueError):  # no connection, or an answer that was cut off
                pass
            time.sleep(pause)
            pause = min(2 * pause, 30)

    def _get(self, address: str) -> tuple[list[Json], dict[str, str]]:
        url = address if address.startswith("http") else f"{self.root}/{address}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return json.load(response), dict(response.headers.items())

    def all_orders(self) -> Iterator[Json]:
        address = "orders/?limit=100"
        while address:
            page, headers = self.get(address)
            yield from page
            address = headers.get("Link", "").partition(">")[0].lstrip("<")


def begin(api: Api, copy: sqlite3.Connection) -> None:
    """Read every order, and go on with the oldest event that is kept: what it tells again changes nothing for worse."""
    oldest, _ = api.get("events?limit=1")
    with copy:
        copy.execute("DELETE FROM orders")
        for order in api.all_orders():
            keep(copy, order)
        cursor = oldest[0]["cursor"] - 1 if oldest else 0
        copy.execute("REPLACE INTO place VALUES (1, ?, ?)", (cursor, START if cursor == 0 else None))


def follow(api: Api, copy: sqlite3.Connection, limit: int) -> int:
    """Take one page. :returns: how many events it had."""
    [(cursor, digest)] = copy.execute("SELECT cursor, digest FROM place")
    events, _ = api.get(f"events?after={cursor}&limit={limit}")
    with copy:  # all that follows is kept, or nothing
        for event in events:
            if event["cursor"] != cursor + 1 or (digest and not follows(event, digest)):
                raise SystemExit(f"Event {event['cursor']} does not follow event {cursor}: the feed was tampered with.")
            take(copy, event)
            cursor, digest = event["cursor"], event["digest"]
        copy.execute("UPDATE place SET cursor = ?, digest = ?", (cursor, digest))
    return len(events)


def take(copy: sqlite3.Connection, event: Json) -> None:
    """What is to be done once for each event."""
    if event["order"]:  # bulk_run.finished is about no order
        keep(copy, event["order"])
    done = (event["id"], event["cursor"], event["type"])
    copy.execute("INSERT INTO journal VALUES (?, ?, ?) ON CONFLICT DO NOTHING", done)


def keep(copy: sqlite3.Connection, order: Json) -> None:
    known = {name: order[name] for name in ("id", "version", "status")}
    copy.execute(KEEP, known | {"document": json.dumps(order, sort_keys=True)})


def follows(event: Json, previous: str) -> bool:
    """Tell whether an event is what was told after the one with the digest `previous`."""
    content = {name: event[name] for name in ("actor", "data", "order")}
    erased = event["order_id"] and not event["order"]  # personal data was, and its content says less than it did
    linked = {name: event[name] for name in LINKED} | {"previous": previous}
    return event["digest"] == digest_of(linked) and (erased or event["content_digest"] == digest_of(content))


def digest_of(members: Json) -> str:
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api", required=True, help="e.g. https://orders.example.com/api/v1")
    parser.add_argument("--copy", default="orders.sqlite3", help="the SQLite database (default orders.sqlite3)")
    parser.add_argument("--limit", type=int, default=100, help="events of one page (default 100)")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two looks (default 1)")
    parser.add_argument("--once", action="store_true", help="end when there is nothing more")
    given = parser.parse_args()
    api = Api(given.api, os.environ["ORDERS_TOKEN"])
    with closing(sqlite3.connect(given.copy)) as copy:
        copy.executescript(TABLES)
        while True:
            try:
                if not copy.execute("SELECT 1 FROM place").fetchone():
                    begin(api, copy)
                if follow(api, copy, given.limit):
                    continue
            except Outdated as error:
                sys.stderr.write(f"beginning afresh: {error}\n")
                begin(api, copy)
                continue
            if given.once:
                return
            time.sleep(given.pause)


if __name__ == "__main__":
    main()
