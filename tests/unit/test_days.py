"""Days of the shop's time zone follow each other without gap or overlap, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta

import pytest

from orders.services.days import ONE_DAY, day_bounds, day_of, local
from orders.services.transfer.file_format import iso, local_iso
from tests.conftest import UseZone

HOUR, MILLISECOND = timedelta(hours=1), timedelta(milliseconds=1)

SWITCHES = [
    ("UTC", date(2026, 3, 29), "2026-03-29T00:00", 24),
    ("Europe/Berlin", date(2026, 3, 28), "2026-03-27T23:00", 24),
    ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00", 23),
    ("Europe/Berlin", date(2026, 3, 30), "2026-03-29T22:00", 24),
    ("Europe/Berlin", date(2026, 10, 25), "2026-10-24T22:00", 25),
    ("Africa/Cairo", date(2023, 4, 28), "2023-04-27T22:00", 23),  # it began at 01:00
    ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", 23),  # and so did this one
    ("America/Sao_Paulo", date(2018, 2, 17), "2018-02-17T02:00", 25),  # its last hour came twice
    ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", 25),  # its first hour comes twice
    ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00", 24.5),
    ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30", 25),  # a minute of it, then an hour of the day before
    ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", 0),  # skipped
    ("Asia/Kathmandu", date(2026, 3, 29), "2026-03-28T18:15", 24),
]


@pytest.mark.parametrize(("zone", "day", "begins", "hours"), SWITCHES)
def test_a_day_lasts_as_long_as_its_clocks_say(
    use_zone: UseZone, zone: str, day: date, begins: str, hours: float
) -> None:
    use_zone(zone)
    since = datetime.fromisoformat(f"{begins}+00:00")
    assert day_bounds(day) == (since, since + hours * HOUR)


@pytest.mark.parametrize(("zone", "day"), [row[:2] for row in SWITCHES])
def test_each_moment_is_on_one_day(use_zone: UseZone, zone: str, day: date) -> None:
    use_zone(zone)
    for one in (day - ONE_DAY, day, day + ONE_DAY):
        since, before = day_bounds(one)
        assert before == day_bounds(one + ONE_DAY)[0]
        moments = [since + number * timedelta(minutes=7, seconds=30) for number in range(202)]
        assert {day_of(moment) for moment in moments if moment < before} == ({one} if since < before else set())
        assert since == before or day_of(before - MILLISECOND) == one


def test_a_moment_is_shown_by_the_clocks_of_the_zone(use_zone: UseZone) -> None:
    use_zone("Europe/Berlin")
    moments = [datetime(2026, 3, 29, hour, 59, tzinfo=UTC) for hour in (0, 1)]
    assert [f"{local(moment):%H:%M %Z}" for moment in moments] == ["01:59 CET", "03:59 CEST"]


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_the_ends_of_the_calendar_have_bounds_too(use_zone: UseZone, zone: str) -> None:
    use_zone(zone)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert first <= day_bounds(date.min)[0] < day_bounds(date.min)[1]
    assert day_bounds(date.max)[0] < day_bounds(date.max)[1] == last
    assert (local(first), local(last)) == (first, last)


def test_a_moment_for_people_has_the_offset_of_the_zone(use_zone: UseZone) -> None:
    moment = datetime(2026, 7, 1, 12)  # noqa: DTZ001 - as it is stored
    assert local_iso(moment) == iso(moment) == "2026-07-01T12:00:00.000Z"
    use_zone("Europe/Berlin")
    assert (local_iso(moment), local_iso(None)) == ("2026-07-01T14:00:00.000+02:00", "")
