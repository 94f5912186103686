"""Allowances as they are counted: whose counters are forgotten has the whole one back, and nobody else has."""

from typing import Any

from pymongo.database import Database

from orders.storage import rate_counters


def test_forgetting_gives_everybody_the_whole_allowance_back_whose_key_begins_so(
    database: Database[dict[str, Any]],
) -> None:
    def left(key: str) -> int:
        return rate_counters.spend(key, limit=5, period=86_400).remaining

    assert [(left("log-in:a"), left("log-in:b"), left("write:a")) for _ in range(2)][-1] == (3, 3, 3)
    rate_counters.forget("log-in:")
    assert (left("log-in:a"), left("log-in:b"), left("write:a")) == (4, 4, 2)
    rate_counters.give_back("write:a", 3, limit=5, period=86_400)
    assert left("write:a") == 4
