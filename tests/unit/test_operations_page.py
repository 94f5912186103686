"""docs/operations.md names commands, options and tests that exist."""

import re

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class

from devtools.localhost import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
NAMED = re.findall(r"manage\.py ([a-z]\w+)((?: [^`\n|#;]*)?)", PAGE)


@pytest.mark.parametrize(("command", "arguments"), NAMED)
def test_every_command_and_option_exists(command: str, arguments: str) -> None:
    if command.startswith("axes_") and not apps.is_installed("axes"):
        pytest.skip("comes with django-axes")
    app = get_commands()[command]
    known = load_command_class(app, command) if isinstance(app, str) else app
    parser = known.create_parser("manage.py", command)
    for option in re.findall(r"(?<!\S)--[a-z-]+", arguments):
        assert option in parser._option_string_actions, option


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(?:tests|orders|orders_project)/[\w/]+\.py", PAGE))))
def test_every_file_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_it_names_many() -> None:
    assert len(NAMED) > 20
