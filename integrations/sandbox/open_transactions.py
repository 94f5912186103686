"""Transactions that a killed sandbox left open.

A client killed with SIGKILL within a transaction leaves it open in mongod, which gives up on it only after
`transactionLifetimeLimitSeconds` (60 s by default; 89 s were measured). Until then nobody can reserve that
product. So a sandbox that starts aborts what its predecessor, known by the application name of its client,
left behind.
"""

import logging
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

log = logging.getLogger(__name__)


def abort_open_transactions(client: MongoClient[dict[str, Any]], app_name: str) -> int:
    """Abort the open idle transactions of clients with this application name and return how many there were.

    A server that does not let us look costs no more than the wait: it is logged.
    """
    stages: list[dict[str, Any]] = [
        {"$currentOp": {"idleSessions": True}},
        {"$match": {"type": "idleSession", "appName": app_name, "transaction": {"$exists": True}}},
    ]
    try:
        with client.admin.aggregate(stages) as found:
            sessions = [{"id": operation["lsid"]["id"]} for operation in found]
        if sessions:
            client.admin.command("killSessions", sessions)
    except PyMongoError as error:
        log.warning("Cannot look for transactions left open by a killed sandbox: %s", error)
        return 0
    return len(sessions)
