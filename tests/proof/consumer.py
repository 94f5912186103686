"""A consumer of webhooks: a real server that keeps what it is sent, in a file too, before it answers."""

import argparse
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Received = dict[str, Any]
"""`to` (the path it was sent to), and the event's `id`, `cursor`, `order_id`, `sequence` and `order`."""
KEPT = ("cursor", "order_id", "sequence", "order")
FAULTS = {"not acted": "503", "dropped after acting": "drop"}
"""What is answered the first time, by the names that inventory's answers have."""


class Consumer:
    """Serves until it is stopped. At `…?first=503` the first call is refused, at `…?first=drop` its answer is lost.

    :param file: where everything is kept: one that is killed goes on with what it had.
    """

    def __init__(self, file: Path | None = None, port: int = 0) -> None:
        self.received = received(file) if file else []
        self._asked: set[str] = set()
        self._out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if file else None
        consumer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fault = consumer.fault(self.path)
                if fault != "503":
                    consumer.keep(self.path, self.headers["webhook-id"], event)
                if fault == "drop":
                    self.close_connection = True
                    return
                self.send_response(int(fault or 204))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, path: str) -> str:
        parts = urlsplit(path)
        [fault] = parse_qs(parts.query).get("first", [""])
        first = path not in self._asked
        self._asked.add(path)
        return fault if first else ""

    def keep(self, path: str, message_id: str, event: dict[str, Any]) -> None:
        kept = {"to": urlsplit(path).path, "id": message_id, **{name: event[name] for name in KEPT}}
        if self._out is not None:
            os.write(self._out, json.dumps(kept).encode() + b"\n")
        self.received.append(kept)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._out is not None:
            os.close(self._out)


def received(file: Path) -> list[Received]:
    """What a consumer has kept, in the order in which it came; a line that it died over was not answered."""
    if not file.exists():
        return []
    *whole, _torn = file.read_text().split("\n")
    return [json.loads(line) for line in whole]


def state_of(kept: list[Received]) -> dict[str, Any]:
    """The orders as a consumer knows them that takes of each the event with the highest sequence."""
    known: dict[str, Received] = {}
    for event in kept:
        order_id = event["order_id"]
        if order_id and event["sequence"] > known.get(order_id, {"sequence": 0})["sequence"]:
            known[order_id] = event
    return {order_id: event["order"] for order_id, event in known.items()}


def main() -> None:
    """Serve until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    Consumer(given.file, given.port)
    threading.Event().wait()


if __name__ == "__main__":
    main()
