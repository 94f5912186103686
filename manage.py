#!/usr/bin/env python
"""Run a management command, in development unless DJANGO_SETTINGS_MODULE says otherwise."""

import os
import sys

DEVELOPMENT = "orders_project.settings.development"


def main(argv: list[str]) -> None:
    """Run the command that the arguments name; in development, with a database of our own where none is named."""
    if os.environ.setdefault("DJANGO_SETTINGS_MODULE", DEVELOPMENT) == DEVELOPMENT:
        from devtools.command_line import run  # production has no such package
    else:
        from django.core.management import execute_from_command_line as run
    run(argv)


if __name__ == "__main__":
    main(sys.argv)
