"""The picture in the documentation is the machine's own."""

from io import StringIO
from pathlib import Path

from django.core.management import call_command

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_documented_state_diagram_is_the_one_that_the_command_draws() -> None:
    drawn = StringIO()
    call_command("state_diagram", stdout=drawn)
    documented = ARCHITECTURE.read_text().partition("<!-- state diagram -->")[2].partition("<!-- end")[0]
    assert documented == f"\n```mermaid\n{drawn.getvalue()}```\n"
