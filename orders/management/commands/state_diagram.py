"""`manage.py state_diagram`: the machine as a picture, drawn from its transitions."""

from typing import Any

from django.core.management.base import BaseCommand

from orders.models import Status, edges


class Command(BaseCommand):
    help = "Print the state machine of orders as a Mermaid diagram; docs/architecture.md holds the same text."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(mermaid())


def mermaid() -> str:
    """The diagram, one line an arrow."""
    sources = {edge.source for edge in edges()}
    lines = ["stateDiagram-v2", f"    [*] --> {Status.PLACING.value}"]
    lines += [f"    {edge.source} --> {edge.target}: {edge.name}" for edge in edges()]
    lines += [f"    {status.value} --> [*]" for status in Status if status.value not in sources]
    return "\n".join(lines)
