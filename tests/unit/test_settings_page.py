"""docs/settings.md names what the code reads."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
READ = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"')


def test_every_setting_that_is_read_is_documented() -> None:
    read = {
        name for file in (ROOT / "orders_project" / "settings").glob("*.py") for name in READ.findall(file.read_text())
    }
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text()))
    assert len(read) > 40
    assert read - documented == set()
