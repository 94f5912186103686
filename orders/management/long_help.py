"""Commands whose help has paragraphs and examples."""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter


class _Formatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Leaves the lines of the help as they are."""


class LongHelpCommand(BaseCommand):
    """A command that shows its `help` line by line as it is written."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=_Formatter, **kwargs)
