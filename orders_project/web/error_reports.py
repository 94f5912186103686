"""What Django's debug pages may show of settings and requests."""

import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter


class SecretsFilter(SafeExceptionReporterFilter):
    """Hide what Django hides, and the addresses of databases and peers, which may contain a password."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URI|URL|^HOST$", re.IGNORECASE)

    def get_safe_cookies(self, request: Any) -> dict[str, Any]:
        """Hide every cookie: each of ours is a credential."""
        return dict.fromkeys(super().get_safe_cookies(request), self.cleansed_substitute)
