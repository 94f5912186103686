"""The texts of the theme and of Django that our pages can show, and their German."""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import axes
import django
import unfold
from babel.messages.pofile import read_po
from django.apps import apps
from django.conf import settings
from django.utils.translation.template import templatize

from orders_project import borrowed_texts, theme

UNFOLD, DJANGO, AXES = (Path(package.__path__[0]) for package in (unfold, django, axes))
CATALOGUES = [DJANGO / "conf", DJANGO / "contrib/admin", DJANGO / "contrib/auth", AXES]
"""Of what is shown in the backoffice: the API speaks English."""
FILES = ("django.po", "djangojs.po")
CALL = re.compile(
    r"""\b(?:n?p?gettext(?:_lazy|_noop)?|_)\(\s*u?(?P<text>(?:(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\s*)+)""",
)
"""A marked text in Python, or in what Django's `makemessages` makes of a template."""


def texts_of(catalogue: Path, language: str) -> set[str]:
    """The texts of a catalogue, of its templates and its scripts, for which it has a translation; in English all."""
    found = set[str]()
    for file in [catalogue / "locale" / language / "LC_MESSAGES" / name for name in FILES]:
        messages = read_po(io.BytesIO(file.read_bytes())) if file.exists() else []
        has = [each for each in messages if language == "en" or (not each.fuzzy and all(each.string or [""]))]
        found |= {each.id if isinstance(each.id, str) else each.id[0] for each in has if each.id}
    return found


TEXTS_OF_DJANGO = set[str]().union(*(texts_of(place, language) for place in CATALOGUES for language in ("en", "de")))


def files_of_the_theme() -> Iterator[Path]:
    """Its sources, but those of the apps that are not installed here, and of a form library that is not in use."""
    installed = {Path(config.path) for config in apps.get_app_configs()}
    for file in [*UNFOLD.rglob("*.html"), *UNFOLD.rglob("*.py")]:
        of_app = UNFOLD.joinpath(*file.relative_to(UNFOLD).parts[:2])
        if "unfold_crispy" not in file.parts and (of_app.parent.name != "contrib" or of_app in installed):
            yield file


def texts_of_the_theme() -> set[str]:
    found = set()
    for file in files_of_the_theme():
        source = file.read_text()
        source = templatize(theme.amended(source)) if file.suffix == ".html" else source
        found |= {ast.literal_eval(f"({call['text']})") for call in CALL.finditer(source)}
    return found


def lacking(texts: set[str]) -> set[str]:
    """Those that neither Django nor we have in German."""
    return texts.difference(*(texts_of(place, "de") for place in [*CATALOGUES, settings.BASE_DIR]))


def test_the_texts_of_the_theme_are_found_in_each_way_that_it_marks_them() -> None:
    found = texts_of_the_theme()
    assert {"Dark", "Welcome back to", "Welcome", "Apply Filters", "Colour scheme", "Select all rows"} <= found
    assert any("Found %(counter)s result in" in text for text in found)
    assert "Indent decrease" not in found  # of an editor that is not installed


def test_every_text_of_the_theme_has_german() -> None:
    assert lacking(texts_of_the_theme()) == set()


def test_every_text_that_djangos_german_lacks_has_ours() -> None:
    assert lacking(TEXTS_OF_DJANGO) == set()


def test_no_text_is_borrowed_that_the_theme_and_django_no_longer_have() -> None:
    borrowed = {*borrowed_texts.THEME, str(borrowed_texts.THEME_COUNTED)}
    assert borrowed - texts_of_the_theme() == set()
    assert {*borrowed_texts.DJANGO} - TEXTS_OF_DJANGO == set()
