"""A RabbitMQ of our own: Debian's rabbitmq-server as a node by itself, on ports and files of its own."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from kombu.connection import Connection
from kombu.entity import Exchange, Queue

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
STARTED_WITHIN = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RabbitMQ:
    """A broker that can be killed and started again; what it confirmed is still there then."""

    def __init__(self, home: Path) -> None:
        self.port, distribution, epmd = free_port(), free_port(), free_port()
        home.mkdir(parents=True, exist_ok=True)
        config = home / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users.guest = true\nlog.file = false\n")
        (home / "plugins").write_text("[].\n")
        self._log = home / "log"
        self._environment = {
            **os.environ,
            "HOME": str(home),
            "NODENAME": f"orders-{self.port}@localhost",
            "RABBITMQ_NODENAME": f"orders-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(epmd),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        }
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [SERVER], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < until:
            try:
                with Connection(self.url, connect_timeout=1) as connection:
                    connection.connect()
                    return
            except OSError:
                time.sleep(0.1)
        self.kill()
        raise AssertionError(f"RabbitMQ did not start: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a power cut would, and its port mapper with it."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def bind(self, queue: str, exchange: str, key: str = "#") -> None:
        """Make a durable queue for what is published to the exchange."""
        with Connection(self.url) as connection:
            topic = Exchange(exchange, type="topic", durable=True)
            Queue(queue, topic, routing_key=key, durable=True)(connection.channel()).declare()

    def messages(self, queue: str) -> list[Any]:
        """Take everything out of a queue."""
        found = []
        with Connection(self.url) as connection:
            bound = Queue(queue)(connection.channel())
            while (message := bound.get(no_ack=True)) is not None:
                found.append(message)
        return found
