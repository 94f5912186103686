"""Paging that does not count a million orders."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

MOST_COUNTED = 2_000


class CappedPaginator(Paginator):
    """Counts up to MOST_COUNTED orders, by their ids off the index; whoever wants more filters or searches."""

    @cached_property
    def count(self) -> int:
        ids: Any = self.object_list
        return len(ids.values_list("pk", flat=True)[:MOST_COUNTED])
