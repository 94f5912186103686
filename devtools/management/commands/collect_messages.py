"""`make messages`: every text of the project that people may see, for its translators."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.commands import makemessages
from django.utils.translation import to_locale

NOT_SHOWN = ("deploy", "devtools", "docs", "examples", "tests")
"""Where there is nothing that the backoffice shows."""
WHEN_COLLECTED = re.compile(r'^"POT-Creation-Date:.*\n', re.MULTILINE)


class Command(makemessages.Command):
    help = (
        "Collect every text that is marked for translation, in Python and in templates, in locale/, for each of "
        "LANGUAGES but English, and compile what is translated. A new text is left empty rather than guessed; the "
        "translation of a text that is no longer there is dropped. Nothing changes where no text has."
    )

    def add_arguments(self, parser: Any) -> None:
        """Have none: it always does the same."""

    def handle(self, *args: Any, **options: Any) -> None:
        self.msgmerge_options = ["-q", "--backup=none", "--update", "--no-fuzzy-matching"]
        locales = [to_locale(code) for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
        super().handle(
            **options, locale=locales, exclude=[], all=False, domain="django", extensions=[], symlinks=False,
            ignore_patterns=list(NOT_SHOWN), use_default_ignore_patterns=True,
            no_wrap=True, no_location=False, add_location="file", no_obsolete=True, keep_pot=False,
        )  # fmt: skip
        for file in Path(settings.BASE_DIR, "locale").glob("*/LC_MESSAGES/django.po"):
            file.write_text(WHEN_COLLECTED.sub("", file.read_text()))  # it would change with every run
        call_command("compilemessages", locale=locales, ignore_patterns=[".*", *NOT_SHOWN])
