"""What docs/reliability.md says of hostile input is what is tried."""

import re
from pathlib import Path

import pytest

from tests.functional import test_hostile_admin as admin
from tests.functional import test_hostile_bodies as bodies
from tests.functional import test_hostile_input as api
from tests.functional.hostile.pages import posts, queries, with_parameters
from tests.functional.hostile.values import BROKEN, NEVER, TEXTS, WITHOUT

pytestmark = pytest.mark.slow
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


def tried() -> int:
    """Requests of the tests that go over every field and parameter; a few more are written by hand."""
    of_fields = len(api.WITH_BODY) * (len(NEVER) + len(WITHOUT)) + len(posts()) * len(admin.IN_FORMS)
    of_parameters = len(api.PARAMETERS) * (len(TEXTS) + len(BROKEN)) + len(api.FORGED) * 3
    of_pages = (len(queries()) + len(with_parameters())) * len(admin.IN_ADDRESSES)
    of_bodies = len(bodies.OF_BODY) * (2 * len(bodies.large()) + len(bodies.TYPES))
    return of_fields + of_parameters + of_pages + of_bodies


def test_the_page_on_reliability_says_no_more_than_was_tried() -> None:
    told = re.search(r"more than ([\d,]+) inputs", DOCUMENT.read_text())
    assert told, "docs/reliability.md does not say how many inputs are tried"
    said = int(told[1].replace(",", ""))
    assert said <= tried() < said * 1.5, f"docs/reliability.md says more than {said:,} inputs, there are {tried():,}"
