"""The scripts of the backoffice hold no texts: they take them from the page, which a translator has seen."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.localhost import ROOT

SCRIPTS = sorted(path for room in ("orders", "orders_project") for path in (ROOT / room).rglob("static/**/*.js"))
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|(?<=[(,=:])\s*/(?![*/])(?:\\.|\[[^\]]*\]|[^/\n\\])+/"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""",
    re.DOTALL,
)
"""A comment, a regular expression or a string."""
SELECTS = re.compile(r"(?:querySelector(?:All)?|closest|matches)\($")
SELECTOR = re.compile(r"\[[\w-]+[]*^$~=]")
WORDS = re.compile(r"(?:[^\W\d_]{2,}|…)[,;:]? (?!MB\b)[^\W\d_]{2,}")
WORD = re.compile(r"[A-Z][a-z]+[.…:!?]?")
KEYS = {"Enter", "Escape", "Tab", "Home", "End", "Accept"}
"""What browsers call keys, and a header."""
STRICT = "use strict"


def texts(script: str) -> Iterator[str]:
    """The strings that people would read: several words, or a word that begins as a sentence does."""
    for token in TOKEN.finditer(script):
        if token[0][0] not in "\"'`" or SELECTS.search(script[: token.start()]) or SELECTOR.search(token[0]):
            continue
        said = re.sub(r"\$\{[^}]*\}", "…", token[0][1:-1])
        if said != STRICT and (WORDS.search(said) or (WORD.fullmatch(said) and said not in KEYS)):
            yield said


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_holds_no_texts(script: Path) -> None:
    found = list(texts(script.read_text()))
    assert not found, "\n".join(found)


def test_a_text_is_told_from_all_else() -> None:
    assert len(SCRIPTS) > 10
    script = """
    "use strict"; // Keys: say "No such thing".
    /* "No such thing" */
    const fields = "input:not([type=hidden]), select, textarea", size = `${bytes / 1e6} MB`;
    const said = /name="([^"]+) or more"/.exec(document.querySelector("main form button").title);
    if (event.key === "Escape") return;
    tell(`${count} orders, ${size} so far`, `Done: ${count} orders`, "Nothing was saved", 'Copied');
    """
    assert list(texts(script)) == ["… orders, … so far", "Done: … orders", "Nothing was saved", "Copied"]
