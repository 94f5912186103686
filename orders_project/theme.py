"""The theme's templates, with what they lack for people who use the keyboard or listen to a page.

django-unfold draws its icons as words of a font, which screen readers read out, makes controls of elements that no key
reaches, and marks no main part of a page. That is put right as its templates are loaded, once for each process, so that
none of them is copied here. `templates/` has the few that need more. Its own texts in other languages than English:
see :mod:`orders_project.borrowed_texts`.
"""

import re

from django.template import Origin
from django.template.loaders import app_directories
from django.utils.translation import gettext_noop

THEME = ("unfold/", "admin/")
"""Where the names of its templates begin."""
TAG = re.compile(r"<(a|span|div|h2|h3)(?=\s)((?:\{[{%].*?[%}]\}|\"[^\"]*\"|[^\">])*)>", re.DOTALL)
ACTION = re.compile(r'\sx-on:click="([^"]*)"')
TOGGLE = re.compile(r"(\w+) = !\1")
CHOICE = re.compile(r"(?:switchTheme\(|adminTheme = )'(\w+)'")
KEYS = 'role="button" tabindex="0" x-on:keydown.enter.prevent="$el.click()" x-on:keydown.space.prevent="$el.click()"'
NAMES = {
    "sidebarDesktopOpen": gettext_noop("Navigation"),
    "sidebarMobileOpen": gettext_noop("Navigation"),
    "openTheme": gettext_noop("Colour scheme"),
    "filterOpen": gettext_noop("Filters"),
    "showPassword": gettext_noop("Show password"),
    "openRelatedWidgetWrapper": gettext_noop("More actions"),
}
"""What a control that is an icon alone is called, by the variable that it changes."""


def _text(message: str) -> str:
    """What a template says for a text, in the reader's language; not all of them know the tag that does."""
    return f'{{% load i18n %}}{{% translate "{message}" %}}'


DELETE = gettext_noop("Delete %(name)s")
SEARCH, FIND = _text(gettext_noop("Search")), _text(gettext_noop("Find an order or a page"))
AMENDMENTS = {
    '<div id="main"': '<div id="main" role="main"',
    '<div id="content"': '<div id="content" tabindex="-1"',
    'id="searchbar-submit"': f'id="searchbar-submit" aria-label="{SEARCH}"',
    'x-ref="searchInput"': f'x-ref="searchInput" aria-label="{SEARCH}"',
    'id="command-submit"': f'id="command-submit" aria-label="{SEARCH}"',
    'x-show="openCommandResults"': f'role="dialog" aria-modal="true" aria-label="{FIND}" x-show="openCommandResults"',
    "mx-1 opacity-50 group": "mx-1 group",
    "text-font-subtle-light dark:text-font-subtle-dark group": "text-font-default-light dark:text-font-default-dark "
    "group",
    'x-ref="searchInputCommand"': f'x-ref="searchInputCommand" aria-label="{FIND}"',
    '<div id="command-results-note"></div>': '<div role="status"><div id="command-results-note"></div></div>',
    "{% trans 'Search apps and models...' %}": FIND,
    # In other languages, the verb comes last.
    '{% trans "Delete" %} {{ opts.verbose_name }}': "{% blocktranslate with name=opts.verbose_name %}"
    f"{DELETE.replace('%(name)s', '{{ name }}')}{{% endblocktranslate %}}",
    # The path in the head of a page leads back to the list as somebody left it: see `list_place`.
    'a href="{{ part.link }}"': 'a href="{% if forloop.counter == 2 and request.list_left %}{{ request.list_left }}'
    '{% else %}{{ part.link }}{% endif %}"',
}
"""What else is put in the place of what."""


class Loader(app_directories.Loader):
    """Finds the templates of apps; those of the theme come amended."""

    def get_contents(self, origin: Origin) -> str:
        contents: str = super().get_contents(origin)
        return amended(contents) if str(origin.template_name).startswith(THEME) else contents


def amended(template: str) -> str:
    """The source of a template with its icons hidden, its controls within reach of keys, and its main part marked."""
    template = TAG.sub(_tag, template)
    for found, put in AMENDMENTS.items():
        template = template.replace(found, put)
    return template


def _tag(found: re.Match[str]) -> str:
    name, attributes = found.groups()
    action = ACTION.search(attributes)
    is_icon = "material-symbols-outlined" in attributes
    if action and " href=" not in attributes and not _is_conditional(attributes[: action.start()]):
        return f"<{name} {_control(action[1], is_icon=is_icon or name == 'div')}{attributes}>"
    return f'<{name} aria-hidden="true"{attributes}>' if is_icon else found[0]


def _is_conditional(before: str) -> bool:
    """Whether an attribute after this is there only sometimes: none of those is in use here."""
    return before.count("{% if") > before.count("{% endif")


def _control(action: str, *, is_icon: bool) -> str:
    """The attributes that make a button of an element.

    :param action: what a click does, in Alpine's words.
    """
    told = [KEYS]
    toggle, choice = TOGGLE.search(action), CHOICE.search(action)
    name = next((name for variable, name in NAMES.items() if variable in action), "")
    if toggle:
        state = "pressed" if toggle[1] == "showPassword" else "expanded"
        told.append(f'x-bind:aria-{state}="{toggle[1]}"')
    if choice:
        told.append(f"x-bind:aria-pressed=\"adminTheme == '{choice[1]}'\"")
    if name and (is_icon or toggle):
        told.append(f'aria-label="{_text(name)}"')
    return " ".join(told)
