"""gunicorn's log in the format of all other log lines."""

import logging
import os
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger

from observability.logs import FORMATS, MalformedRequests, default_format, formatter_of


class Logger(GunicornLogger):
    """For `logger_class`. Its access log stays off: the service logs each request itself."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        chosen = os.environ.get("LOG_FORMAT", "").strip()
        formatter: logging.Formatter = formatter_of(chosen if chosen in FORMATS else default_format())
        for handler in self.error_log.handlers:
            handler.setFormatter(formatter)
        self.error_log.addFilter(MalformedRequests())
