"""Touches to the OpenAPI document."""

from typing import Any


def leave_out_aliases(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Each address answers with and without a slash at its end; the document shows the specified form only."""
    paths = {path for path, *_ in endpoints}
    return [endpoint for endpoint in endpoints if not _is_alias(endpoint[0], paths)]


def _is_alias(path: str, paths: set[str]) -> bool:
    if path.endswith("/orders"):
        return f"{path}/" in paths
    return path.endswith("/") and path.removesuffix("/") in paths and not path.endswith("/orders/")
