"""Settings that keep the service from starting: every program of ours says so in one list, without a traceback."""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured

EXIT_CODE = os.EX_CONFIG
"""78, as in sysexits.h: starting the program again would not help, so the systemd units do not."""


class SettingsRefused(ImproperlyConfigured):
    """Some settings are missing, malformed or unsafe. :param problems: what is wrong, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"These settings keep the service from starting:\n{listed}\ndocs/settings.md explains every setting."
        )


def load_settings() -> None:
    """Load the settings that DJANGO_SETTINGS_MODULE names; those of production, the safe side, if it names none.

    :raises SettingsRefused:
    """
    module = os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orders_project.settings.production")
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # one that the settings import
        raise SettingsRefused([f"DJANGO_SETTINGS_MODULE: there is no module {module}"]) from error


def require_backends() -> None:
    """Look at the backends of the peers that the loaded settings name.

    :raises SettingsRefused:
    """
    from integrations import backend_loading  # needs the settings

    if problems := backend_loading.problems():
        raise SettingsRefused(problems)


@contextmanager
def refusal_told() -> Iterator[None]:
    """End the process with EXIT_CODE if the settings are refused, once stderr says why."""
    try:
        yield
    except SettingsRefused as refused:
        sys.stderr.write(f"{refused}\n")
        sys.exit(EXIT_CODE)
