"""Sentences that the database keeps are English, whoever acted; here they come into the language of their reader."""


def for_reader(text: str) -> str:
    """A text that was kept, as its reader is to see it."""
    return text
