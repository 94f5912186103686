"""Reordering a pipeline: the sort comes first wherever that changes no result, and nowhere else."""

from typing import Any

import pytest
from django_mongodb_backend.query import MongoQuery

from orders_project import indexed_sort
from orders_project.indexed_sort import reorder

MATCH, SORT, SKIP, LIMIT = {"$match": {"a": 1}}, {"$sort": {"a": 1}}, {"$skip": 5}, {"$limit": 20}
IDENTITY = {"$addFields": {"a": "$a", "b": "$b"}}
PROJECT = {"$project": {"a": 1, "b": True}}
COMPUTED = {"$project": {"a": 1, "total": {"$sum": "$b"}}}

CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "nothing": ([], []),
    "no sort": ([MATCH, IDENTITY, PROJECT, LIMIT], [MATCH, IDENTITY, PROJECT, LIMIT]),
    "a sort alone": ([SORT, LIMIT], [SORT, LIMIT]),
    "identities go": ([MATCH, IDENTITY, SORT, LIMIT], [MATCH, SORT, LIMIT]),
    "a computed field stays": (
        [{"$addFields": {"a": "$a", "b": "$c"}}, SORT],
        [{"$addFields": {"b": "$c"}}, SORT],
    ),
    "a constant stays": ([{"$addFields": {"a": "a"}}, SORT], [{"$addFields": {"a": "a"}}, SORT]),
    "an inclusion moves behind sort, skip and limit": (
        [MATCH, PROJECT, SORT, SKIP, LIMIT],
        [MATCH, SORT, SKIP, LIMIT, PROJECT],
    ),
    "an inclusion moves no further": ([PROJECT, SORT, LIMIT, MATCH], [SORT, LIMIT, PROJECT, MATCH]),
    "a computing projection stays": ([COMPUTED, SORT], [COMPUTED, SORT]),
    "an exclusion stays": ([{"$project": {"b": 0}}, SORT], [{"$project": {"b": 0}}, SORT]),
    "a projection without the sort's field stays": ([{"$project": {"b": 1}}, SORT], [{"$project": {"b": 1}}, SORT]),
    "an empty projection stays": ([{"$project": {}}, SORT], [{"$project": {}}, SORT]),
    "a projection further up stays": ([PROJECT, MATCH, SORT], [PROJECT, MATCH, SORT]),
    "both": ([IDENTITY, PROJECT, SORT, LIMIT], [SORT, LIMIT, PROJECT]),
    "a second sort keeps its place": ([PROJECT, SORT, {"$group": {}}, SORT], [SORT, PROJECT, {"$group": {}}, SORT]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pipeline_is_reordered(case: str) -> None:
    given, expected = CASES[case]
    assert reorder([*given]) == expected


def test_reordering_twice_changes_nothing_more() -> None:
    for given, expected in CASES.values():
        assert reorder(reorder([*given])) == expected


def test_it_is_installed_once_however_often_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = MongoQuery.get_pipeline
    assert getattr(installed, "sorts_by_index", False), "orders_project installs it when Django starts"
    indexed_sort.install()
    assert MongoQuery.get_pipeline is installed
