"""The sandbox in one piece: control, peers and server together, started and stopped from Python."""

import threading
from typing import Any, Self

from pymongo.database import Database

from integrations.sandbox.control import Control
from integrations.sandbox.control_routes import ControlRoutes
from integrations.sandbox.http_messages import Request, Response, failure
from integrations.sandbox.http_server import PeerServer
from integrations.sandbox.peer_routes import PeerRoutes

BASE_PATH = ("api", "v1")
# Seconds: how often the listening thread checks whether it is to stop, how long connections may take to end.
_POLL = 0.05
_END_TIMEOUT = 0.3


class Sandbox:
    """The three peers on one port, stock kept in `database`: of a replica set, and for the sandbox alone.

    Started again after `stop`, it has the same port, data, faults and records: a peer that was down. As a
    context manager it is started and stopped.
    """

    def __init__(self, database: Database[dict[str, Any]], host: str = "127.0.0.1", port: int = 0) -> None:
        self.control = Control(database)
        self._host = host
        self._port = port
        self._server: PeerServer | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def root(self) -> str:
        """Return where the server is, `http://host:port`; `/control` and `/health` are below it.

        :raises RuntimeError: if the system is to choose the port and has not yet.
        """
        if self._port == 0:
            raise RuntimeError("The sandbox has no port before it is started")
        return f"http://{self._host}:{self._port}"

    @property
    def url(self) -> str:
        """Return the base of the three contracts, `http://host:port/api/v1`; raises as `root` does."""
        return f"{self.root}/{'/'.join(BASE_PATH)}"

    def start(self) -> Self:
        """Create what is missing in the database, listen, and serve in a thread.

        :raises OSError: if the port is taken.
        :raises pymongo.errors.PyMongoError: if the database cannot be used.
        :raises RuntimeError: if it is running.
        """
        if self._server is not None:
            raise RuntimeError("The sandbox is running")
        self.control.room.prepare()
        self._stopping = threading.Event()
        self._server = PeerServer((self._host, self._port), Application(self.control, self._stopping))
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop within half a second, whatever is open or asleep; calls that sleep are not answered."""
        if self._server is None or self._thread is None:
            return
        self._stopping.set()
        self._server.end(within=_END_TIMEOUT)
        self._thread.join()
        self._server = self._thread = None

    def join(self) -> None:
        """Wait as long as the sandbox is running."""
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()


class Application:
    """Routes requests: `/api/v1/…` to the peers, `/control/…` to the control, `/health` here."""

    def __init__(self, control: Control, stopping: threading.Event) -> None:
        self._peers = PeerRoutes(control, stopping)
        self._control = ControlRoutes(control)

    def __call__(self, request: Request) -> Response | None:
        """Answer one request; None closes the connection without an answer."""
        match request.segments:
            case ("health",) | ("api", "v1", "health") if request.method == "GET":
                return Response(200, {"status": "healthy"})
            case ("api", "v1", *path):
                return self._peers.answer(request, tuple(path))
            case ("control", *path):
                return self._control.answer(request, tuple(path))
        return failure(404, "Not Found")
