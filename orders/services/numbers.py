"""Order numbers: 60 random bits, made to be read out on the phone, e.g. `7KQF-2M9D-XW3H`."""

import re
import secrets

NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, which people mistake for others on the phone."""
LOOK_ALIKES = str.maketrans("ILO", "110")
LETTERS = re.compile(f"[{NUMBER_ALPHABET}]{{12}}\\Z")


def new_number() -> str:
    """A random order number."""
    return grouped("".join(secrets.choice(NUMBER_ALPHABET) for _ in range(12)))


def grouped(letters: str) -> str:
    """Twelve letters in groups of four."""
    return "-".join((letters[:4], letters[4:8], letters[8:]))


def as_number(text: str) -> str | None:
    """The order number that somebody wrote, small, without dashes or with look-alikes; None if it is none."""
    letters = re.sub(r"[\s-]", "", text).upper().translate(LOOK_ALIKES)
    return grouped(letters) if LETTERS.match(letters) else None
