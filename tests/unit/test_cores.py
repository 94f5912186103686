"""The processors that the number of web workers is taken from."""

import os
from pathlib import Path

import pytest

from orders_project.web.gunicorn_conf import cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("nonsense", 8),
        ("", 8),
    ],
)
def test_a_containers_quota_is_heeded(tmp_path: Path, written: str, expected: int) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(written)
    assert cores(quota) == expected


def test_without_a_quota_all_that_we_may_run_on_count(tmp_path: Path) -> None:
    assert cores(tmp_path / "none") == 8


def test_where_affinity_is_unknown_the_machines_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores(tmp_path / "none") == 1
