"""No template says anything to people that is not marked for translation, on whichever page and in whichever case."""

import re
from pathlib import Path

import pytest

from devtools.localhost import ROOT
from tests.functional.marked_texts import CLOSE, OPEN, Reader, untranslated

OF_THE_API = {"drf_spectacular/redoc.html", "orders/problem.html", "orders/problems.html", "orders/problems_base.html"}
"""Pages for developers of other systems, in English as the API is."""
FOLDER = ROOT / "templates"
TEMPLATES = sorted(set(map(str, (path.relative_to(FOLDER) for path in FOLDER.rglob("*.html")))) - OF_THE_API)
NOTES = re.compile(r"\{#.*?#\}|\{% comment.*?endcomment %\}", re.DOTALL)
MARKED = re.compile(r"\{% blocktrans.*?endblocktrans\w* %\}|\{% trans.*?%\}", re.DOTALL)
TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
SAYS = re.compile(r"""\|(?:yesno|default|default_if_none|add|join|pluralize):(["'])(.*?)\1""")
PLURAL = re.compile(r"\|pluralize\b")
HANDS_ON = re.compile(r"""\{% (?:include|with) .*?\b\w+=(["'])([A-Z][a-z].*?)\1""")


def said(template: str) -> str:
    """What a template says by itself: its marked texts in brackets, and no data."""
    return TAG.sub(_of_tag, MARKED.sub(f"{OPEN}x{CLOSE}", NOTES.sub("", template)))


def _of_tag(tag: re.Match[str]) -> str:
    """The words that a tag has for whoever reads the page, and those that it hands on to another template."""
    words = [text for _, text in SAYS.findall(tag[0])] + ["(plural)"] * bool(PLURAL.search(tag[0]))
    handed = HANDS_ON.search(tag[0])
    return " ".join(words) + (f"<b>{handed[2]}</b>" if handed else "")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_nothing_that_is_not_marked(name: str) -> None:
    found = Reader(said(Path(FOLDER, name).read_text())).found
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ('{% translate "Orders" %} {{ name }} {# not yet #}{% comment %} nor ever {% endcomment %}', []),
        ("{% blocktranslate count n=n %}{{ n }} order{% plural %}{{ n }} orders{% endblocktranslate %}", []),
        ("<p>{{ n }} order{{ n|pluralize }}</p>", ["<p> order(plural)"]),
        ('<p>{{ is_known|yesno:"verified,not verified" }}</p>', ["<p> verified,not verified"]),
        ('<p class="{{ is_known|yesno:"known,unknown" }}">{{ name|default:"–" }}</p>', []),
        ('{% if name %}<a title="All of {{ name }}">1</a>{% endif %}', ["<a[title]> All of"]),
        ('{% include "a_page.html" with label="Reason" only %}', ["<b> Reason"]),
        ('{% include "a_page.html" with label=_("Reason") kind="reason" only %}', []),
    ],
)
def test_what_is_not_marked_is_found(template: str, found: list[str]) -> None:
    assert untranslated(said(template), "text/html") == found
