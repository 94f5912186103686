"""A replica set of three real mongods on loopback, whose nodes can be killed, frozen, and brought back."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from devtools.child_processes import Child, ChildError
from devtools.localhost import HOST, free_port
from devtools.mongod import REPLICA_SET, find_mongod, frugal_options

ELECTION = 2.0
"""Seconds for which the others hear nothing of a primary until they elect another; MongoDB's default is 10."""
ALREADY_INITIALIZED = 23
START = 60.0
"""Seconds for the set to be whole, on a machine that has a lot to do."""
CACHE_GB = 0.25
WHOLE = ["PRIMARY", "SECONDARY", "SECONDARY"]


class Node:
    """One mongod with its data in a directory of its own."""

    def __init__(self, directory: Path, number: int) -> None:
        self.address = f"{HOST}:{free_port()}"
        self.data = directory / f"node-{number}"
        self.data.mkdir(parents=True)
        command = [str(find_mongod()), "--dbpath", str(self.data), "--bind_ip", HOST, "--replSet", REPLICA_SET]
        command += ["--port", self.address.partition(":")[2], *frugal_options(CACHE_GB)]
        self._child = Child(
            f"mongod-{number}", command, log=directory / f"mongod-{number}.log", end_signal=signal.SIGKILL
        )

    def start(self) -> None:
        """Start it, again too where it has been killed; from the thread whose end shall end it."""
        self._child.start(dict(os.environ))

    def keep_trying(self) -> None:
        """Start it once more where somebody else had its port for a moment, and it ended at once."""
        if not self._child.running:
            self.start()

    def kill(self) -> None:
        """End it by SIGKILL, frozen or not."""
        self._signal(signal.SIGKILL)
        self._child.stop()

    def freeze(self) -> None:
        """Stop it where it stands: its connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def rolled_back(self) -> int:
        """How often it has taken writes back that no majority had."""
        return len(list((self.data / "rollback").glob("*/*.bson")))

    def _signal(self, number: signal.Signals) -> None:
        if self._child.pid and self._child.running:
            os.kill(self._child.pid, number)


class ReplicaSet:
    """As a context manager: three nodes, whole when it is entered; all killed when it is left.

    Nodes are tied to the thread that enters: start and kill from there.
    """

    def __init__(self, directory: Path, *, election: float = ELECTION) -> None:
        self.nodes = [Node(directory, number) for number in range(3)]
        self._election = election

    @property
    def uri(self) -> str:
        return f"mongodb://{','.join(node.address for node in self.nodes)}/?replicaSet={REPLICA_SET}"

    def __enter__(self) -> Self:
        """:raises ChildError: if the set is not whole in time."""
        try:
            for node in self.nodes:
                node.start()
            self._initiate(time.monotonic() + START)
            self.await_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        for node in self.nodes:
            node.kill()

    @property
    def primary(self) -> Node | None:
        """The primary, where the nodes that answer agree on one."""
        led_by = {_leading(members) for node in self.nodes if (members := self._members(node))}
        return next((node for node in self.nodes if {node.address} == led_by), None)

    def await_whole(self, patience: float = START) -> None:
        """Wait until all nodes agree on who is primary, and that the others follow.

        :raises ChildError: if that takes longer than `patience` seconds.
        """
        until = time.monotonic() + patience
        while time.monotonic() < until:
            known = [self._members(node) for node in self.nodes]
            states = [sorted(member["stateStr"] for member in members) for members in known]
            if all(seen == WHOLE for seen in states) and len({_leading(members) for members in known}) == 1:
                return
            for node in self.nodes:
                node.keep_trying()
            time.sleep(0.1)
        raise ChildError(f"the replica set was not whole after {patience:g} s: its nodes see {states}")

    def _members(self, node: Node) -> list[dict[str, Any]]:
        with contextlib.suppress(PyMongoError), _direct(node) as client:
            return list(client.admin.command("replSetGetStatus")["members"])
        return []

    def _initiate(self, until: float) -> None:
        members = [{"_id": number, "host": node.address} for number, node in enumerate(self.nodes)]
        times = {"electionTimeoutMillis": round(self._election * 1000), "heartbeatIntervalMillis": 500}
        while True:
            for node in self.nodes:
                node.keep_trying()
            try:
                with _initiating(self.nodes[0]) as client:
                    client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members, "settings": times})
                return
            except PyMongoError as error:
                if getattr(error, "code", None) == ALREADY_INITIALIZED:  # by the try before, whose answer came too late
                    return
                if time.monotonic() > until:
                    raise ChildError(f"the replica set could not be made: {error}") from error
                time.sleep(0.1)


def _leading(members: list[dict[str, Any]]) -> str:
    return ",".join(member["name"] for member in members if member["stateStr"] == "PRIMARY")


def _direct(node: Node) -> MongoClient[dict[str, Any]]:
    """A client of this node alone, whatever it is; a frozen one costs half a second."""
    return MongoClient(node.address, directConnection=True, timeoutMS=500)


def _initiating(node: Node) -> MongoClient[dict[str, Any]]:
    """A client that sends no time limit: a mongod whose replSetInitiate is cut off by one aborts, for good."""
    return MongoClient(node.address, directConnection=True, serverSelectionTimeoutMS=500)
