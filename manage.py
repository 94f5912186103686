#!/usr/bin/env python
"""Run a management command, in development unless DJANGO_SETTINGS_MODULE says otherwise."""

import os
import sys

from orders_project.settings.refusal import load_settings, refusal_told

DEVELOPMENT = "orders_project.settings.development"


def main(argv: list[str]) -> None:
    """Run the command that the arguments name; in development, with a database of our own where none is named.

    If the settings are refused it lists what is wrong with them, and exits with 78.
    """
    with refusal_told():
        if os.environ.setdefault("DJANGO_SETTINGS_MODULE", DEVELOPMENT) == DEVELOPMENT:
            from devtools.command_line import run  # production has no such package
        else:
            from django.core.management import execute_from_command_line as run

            load_settings()  # `shell` and `help` would go on without
        run(argv)


if __name__ == "__main__":
    main(sys.argv)
