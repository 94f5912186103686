"""What a worker says of its work and of what went wrong."""

import logging

from django.conf import settings
from django.core.management.base import OutputWrapper

from orders.services.order_queries import is_outage

logger = logging.getLogger(__name__)


class WorkerReport:
    """To the terminal, or to the log where LOG_FORMAT is for machines."""

    def __init__(self, out: OutputWrapper, err: OutputWrapper) -> None:
        self._out, self._err = out, err

    def say(self, line: str) -> None:
        if settings.LOG_FORMAT == "json":
            logger.info("%s", line)
        else:
            self._out.write(line)

    def complain(self, line: str) -> None:
        if settings.LOG_FORMAT == "json":
            logger.warning("%s", line)
        else:
            self._err.write(line)

    def failed(self, what: str, error: Exception) -> None:
        """Report it, with a traceback unless the database simply does not answer."""
        if not is_outage(error):
            logger.exception("%s", what)
        self.complain(f"{what}: {error.__cause__ or error}")
