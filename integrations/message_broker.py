"""A message broker that speaks AMQP 0-9-1, such as RabbitMQ: messages are published to a topic exchange and confirmed.

Every failure is a :class:`BrokerUnavailable`; a message of which none came is in the broker's hands, on its disk.
"""

import logging
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from kombu.connection import Connection
from kombu.entity import Exchange
from kombu.exceptions import KombuError
from kombu.messaging import Producer

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds for connecting, and for the confirmation of one message."""


class BrokerUnavailable(Exception):
    """The broker could not be reached, or did not confirm: the message may or may not have arrived."""


class Broker:
    """A connection to a broker and to one durable topic exchange there, which is made if it is missing.

    :raises BrokerUnavailable: by `with` as well as by `publish`.
    """

    def __init__(self, url: str, exchange: str) -> None:
        options = {"confirm_publish": True, "read_timeout": TIMEOUT, "write_timeout": TIMEOUT}
        self._connection = Connection(url, connect_timeout=TIMEOUT, transport_options=options)
        self._exchange = Exchange(exchange, type="topic", durable=True)
        # Also what kombu calls irrecoverable, such as a wrong password: it is over once somebody has mended it.
        self._failures = (*self._connection.recoverable_connection_errors, *self._connection.connection_errors)
        self._failures += (*self._connection.channel_errors, KombuError, OSError, TimeoutError)
        self._name = urlsplit(url).hostname or "the broker"

    def __enter__(self) -> Self:
        try:
            self._producer = Producer(self._connection.channel(), self._exchange, auto_declare=True)
        except self._failures as error:
            self._connection.release()
            raise BrokerUnavailable(f"{self._name}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._connection.release()
        except self._failures:
            logger.debug("the connection to %s was gone already", self._name)

    def publish(self, body: bytes, *, routing_key: str, message_id: str, content_type: str) -> None:
        """Publish a message that survives a restart of the broker, and wait until the broker confirms it."""
        try:
            self._producer.publish(
                body,
                routing_key=routing_key,
                message_id=message_id,
                content_type=content_type,
                content_encoding="utf-8",
                delivery_mode="persistent",
                timeout=TIMEOUT,
                confirm_timeout=TIMEOUT,
                retry=False,
            )
        except self._failures as error:
            raise BrokerUnavailable(f"{self._name}: {error}") from error
