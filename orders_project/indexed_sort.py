"""Let `order_by` use an index.

django-mongodb-backend 5.2 puts an identity `$addFields {x: '$x'}`, or the `$project`, before `$sort`; behind a
computed stage MongoDB cannot use an index for the order, and reads the whole collection. Here the identities are
dropped and a `$project` that only includes fields moves behind `$sort`, `$skip` and `$limit`, which changes no result.
`tests/integration/test_query_plans.py` asserts the plans with and without it: when the backend's own plan turns
good, that test says so and this file can go.
"""

from typing import Any

from django_mongodb_backend.query import MongoQuery

Stage = dict[str, Any]
MOVED_BEFORE = ("$sort", "$skip", "$limit")


def install() -> None:
    """Replace the backend's pipeline builder by one that reorders its result. Safe to call twice."""
    build = MongoQuery.get_pipeline
    if getattr(build, "sorts_by_index", False):
        return

    def get_pipeline(self: MongoQuery) -> list[Stage]:
        return reorder(build(self))

    get_pipeline.sorts_by_index = True  # type: ignore[attr-defined]
    MongoQuery.get_pipeline = get_pipeline


def reorder(pipeline: list[Stage]) -> list[Stage]:
    """Return the pipeline with the same result and its first `$sort` as early as an index needs it."""
    at = next((position for position, stage in enumerate(pipeline) if "$sort" in stage), None)
    if at is None:
        return pipeline
    head, tail = pipeline[:at], pipeline[at:]
    head = [stage for stage in map(_without_identities, head) if stage]
    if head and _only_includes(head[-1], tail[0]["$sort"]):
        end = next((i for i, stage in enumerate(tail) if not stage.keys() & set(MOVED_BEFORE)), len(tail))
        tail.insert(end, head.pop())
    return head + tail


def _without_identities(stage: Stage) -> Stage:
    if "$addFields" not in stage:
        return stage
    kept = {name: value for name, value in stage["$addFields"].items() if value != f"${name}"}
    return {"$addFields": kept} if kept else {}


def _only_includes(stage: Stage, sort: dict[str, int]) -> bool:
    fields: Stage = stage.get("$project", {})
    return bool(fields) and all(value in (1, True) for value in fields.values()) and sort.keys() <= fields.keys()
