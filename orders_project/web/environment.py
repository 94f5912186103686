"""Whole numbers in the environment, for what must not load the settings: gunicorn's first process, the health check."""

import os


def whole_number(name: str, default: int) -> int:
    """Read one; the default where it is not set, or is none: with that gunicorn refuses to start."""
    try:
        given = int(os.environ.get(name, "").strip() or default)
    except ValueError:
        return default
    return given if given >= 0 else default
