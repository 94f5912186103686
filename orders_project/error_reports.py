"""What a developer's error page may show of settings and requests."""

import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter


class SecretsFilter(SafeExceptionReporterFilter):
    """Django's own, and addresses of databases and peers, which may carry a password."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URI|URL|^HOST$", re.IGNORECASE)

    def get_safe_cookies(self, request: Any) -> dict[str, Any]:
        """Each cookie of ours lets somebody in."""
        return dict.fromkeys(super().get_safe_cookies(request), self.cleansed_substitute)
