"""German in which every text that is marked for translation shows that it was translated."""

from typing import Any

import pytest
from django.utils.translation import trans_real

BEGIN, END = "⟦", "⟧"


class Marked(trans_real.DjangoTranslation):
    """`Enter a tag.` is `⟦Enter a tag.⟧`."""

    def gettext(self, message: str) -> str:
        return f"{BEGIN}{message.rpartition(trans_real.CONTEXT_SEPARATOR)[2]}{END}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.fixture
def marked_german(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trans_real._translations, "de", Marked("de"))  # type: ignore[attr-defined]


def translated(kept: Any, path: str = "") -> list[str]:
    """The texts of a document that were translated, each with its place."""
    if isinstance(kept, dict):
        return [found for name, value in kept.items() for found in translated(value, f"{path}.{name}")]
    if isinstance(kept, list | tuple):
        return [found for place, value in enumerate(kept) for found in translated(value, f"{path}.{place}")]
    return [f"{path}: {kept}"] if isinstance(kept, str) and (BEGIN in kept or END in kept) else []
