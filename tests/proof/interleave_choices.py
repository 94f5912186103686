"""Where the choices of a run come from: a seed, or the choices of an earlier run, word for word or shortened."""

import random
from collections.abc import Callable, Sequence

Fails = Callable[[Sequence[int]], bool]


class Choices:
    """Decides, and remembers what it decided. 0 is always the simplest choice: nothing goes wrong, nobody interrupts.

    :param given: choices to make again; 0 where they are used up, or do not fit any more.
    :ivar taken: every choice so far.
    """

    def __init__(self, seed: int | None = None, given: Sequence[int] = ()) -> None:
        self._chance = None if seed is None else random.Random(seed)
        self._given = given
        self.taken: list[int] = []

    def pick(self, count: int) -> int:
        """Return a number from 0 to `count` - 1."""
        if self._chance:
            made = self._chance.randrange(count)
        else:
            made = self._given[len(self.taken)] if len(self.taken) < len(self._given) else 0
            made = made if made < count else 0
        self.taken.append(made)
        return made

    def chance(self, percent: int) -> bool:
        """Tell whether something happens that does so `percent` times in a hundred."""
        return self.pick(100) >= 100 - percent


def shrink(failing: Sequence[int], fails: Fails, tries: int = 150) -> list[int]:
    """Return simpler choices that fail too: first cut off at the end, then turned to 0 in ever smaller pieces."""
    best, left = list(failing), tries

    def better(candidate: list[int]) -> bool:
        nonlocal best, left
        if left == 0 or candidate == best:
            return False
        left -= 1
        if fails(candidate):
            best = candidate
            return True
        return False

    size = len(best)
    while size:
        while len(best) > size and better(best[:-size]):
            pass
        size //= 2
    size = max(1, len(best) // 2)
    while size and left:
        for start in range(0, len(best), size):
            piece = best[start : start + size]
            better([*best[:start], *(0 for _ in piece), *best[start + size :]])
        size //= 2
    return best
