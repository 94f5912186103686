"""The catalogues in locale/: each is complete, and what it says can be put in the place of what it translates."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import to_locale

from devtools.localhost import ROOT

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
CATALOGUES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "locale").glob("*/LC_MESSAGES/*.po"))
each_catalogue = pytest.mark.parametrize("name", CATALOGUES)
NEEDED = (
    "devtools", "integrations", "locale", "manage.py", "observability", "orders", "orders_project", "pyproject.toml",
    "templates",
)  # fmt: skip
"""What the texts are collected from, and what does it."""
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%[sd]|\{(\w*)[^{}]*\}")
AGAIN = "run `make messages`, and translate what is new"


def messages(name: str) -> Iterator[tuple[Message, tuple[str, ...], tuple[str, ...]]]:
    """Each text of a catalogue with its forms, and those of its translation."""
    with (ROOT / name).open("rb") as file:
        catalogue = read_po(file, locale=name.split("/")[1], abort_invalid=True)
    for message in catalogue:
        if message.id:
            yield message, _forms(message.id), _forms(message.string)


def _forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str | None) else tuple(text)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in which the texts have been collected afresh."""
    folder = tmp_path_factory.mktemp("project")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    done = subprocess.run(
        [sys.executable, "manage.py", "collect_messages"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_language_that_can_be_chosen_has_its_catalogue_and_its_formats() -> None:
    assert LANGUAGES
    for language in LANGUAGES:
        assert f"locale/{to_locale(language)}/LC_MESSAGES/django.po" in CATALOGUES
        assert (ROOT / "orders_project" / "formats" / to_locale(language) / "formats.py").exists()


@each_catalogue
def test_a_catalogue_has_every_text_of_the_project_and_no_other(collected: Path, name: str) -> None:
    here, afresh = (ROOT / name).read_text(), (collected / name).read_text()
    known = set(here.splitlines())
    new = [line for line in afresh.splitlines() if line not in known]
    assert here == afresh, f"{AGAIN}:\n" + "\n".join(new)


@each_catalogue
def test_what_is_compiled_is_what_the_catalogue_says(name: str) -> None:
    with (ROOT / name).with_suffix(".mo").open("rb") as file:
        compiled = {(message.context, _forms(message.id)): _forms(message.string) for message in read_mo(file)}
    said = {(message.context, text): translation for message, text, translation in messages(name) if all(translation)}
    compiled.pop((None, ("",)), None)  # the header
    wrong = [key for key in said.keys() | compiled.keys() if said.get(key) != compiled.get(key)]
    assert not wrong, f"{AGAIN}: {wrong}"


@each_catalogue
def test_every_text_has_its_translation_and_none_is_a_guess(name: str) -> None:
    missing = [f"{places(message)}: {text[0]!r}" for message, text, said in messages(name) if not all(said)]
    missing += [f"fuzzy: {text[0]!r}" for message, text, _ in messages(name) if message.fuzzy]
    assert not missing, f"{len(missing)} texts are not translated:\n" + "\n".join(missing)


def places(message: Message) -> str:
    return ", ".join(path for path, _ in message.locations)


@each_catalogue
def test_a_translation_has_the_placeholders_and_the_tags_of_its_text(name: str) -> None:
    wrong = [
        f"{text!r} became {translation!r}"
        for _, forms, said in messages(name)
        for text, translation in pairs(forms, said)
        if translation and not agree(text, translation)
    ]
    assert not wrong, "\n".join(wrong)


def pairs(forms: tuple[str, ...], said: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each form of a translation beside that of the text, of which English has the last for all but one."""
    for number, translation in enumerate(said):
        yield forms[min(number, len(forms) - 1)], translation


def agree(text: str, translation: str) -> bool:
    return (
        placeholders(text) == placeholders(translation)
        and Tags(text).found == Tags(translation).found
        and (text[:1].isspace(), text[-1:].isspace()) == (translation[:1].isspace(), translation[-1:].isspace())
    )


def placeholders(text: str) -> set[str] | list[str]:
    """By their names, which may come in another order and twice; without names in their order."""
    found = [place[0] for place in PLACEHOLDER.finditer(text.replace("%%", ""))]
    return set(found) if all(re.search(r"[({]\w", place) for place in found) else found


class Tags(HTMLParser):
    """The tags of a text and their attributes, but for those that people read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = sorted(f"{name}={value}" for name, value in attrs if name not in ("title", "aria-label"))
        self.found[f"<{tag} {' '.join(told)}>"] += 1

    def handle_endtag(self, tag: str) -> None:
        self.found[f"</{tag}>"] += 1


@pytest.mark.parametrize(
    ("text", "translation", "fits"),
    [
        ("%(orders)s of %(all)s orders", "Von %(all)s Bestellungen %(orders)s", True),
        ("%(orders)s orders", "%(order)s Bestellungen", False),
        ("%(orders)s orders", "Bestellungen", False),
        ("No progress for {hours}.", "Seit {hours} kein Fortschritt.", True),
        ("No progress for {hours}.", "Seit {stunden} kein Fortschritt.", False),
        ("%s of %d", "%d von %s", False),
        ("100 %% of it", "100 %% davon", True),
        ('See <a href="%(url)s">the list</a>', 'Siehe <a href="%(url)s">die Liste</a>', True),
        ('See <a href="%(url)s">the list</a>', 'Siehe <a href="%(url)s">die Liste', False),
        ("Reason: ", "Grund:", False),
    ],
)
def test_what_agrees_and_what_does_not(text: str, translation: str, fits: bool) -> None:
    assert agree(text, translation) is fits
