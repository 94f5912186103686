"""What people may write into an order, by whatever way it comes: the API, the backoffice, a command or a file.

Letters of every script are welcome, with the joiners and direction marks that names and addresses need (U+200C to
U+200F, U+061C). Refused is what a reader cannot see and what makes him read something else than is written: control
characters, halves of characters (lone surrogates), and the embeddings, overrides and isolates that turn the direction
of text (Unicode's TR 36, "Bidirectional Text Spoofing").
"""

import re

TURNING = "\u202a-\u202e\u2066-\u2069"
HALVES = "\ud800-\udfff"
NOT_ONE_LINE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{TURNING}{HALVES}]")
NOT_TEXT = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{TURNING}{HALVES}]")
"""The same, but tabs and the ends of lines and paragraphs are part of a text."""


def line_problem(text: str) -> str | None:
    """What is wrong with a text of one line, such as a name or a line of an address; None if nothing is."""
    if not NOT_ONE_LINE.search(text):
        return None
    return "Line breaks, control characters and characters that turn the direction of text are not allowed."


def lines_problem(text: str) -> str | None:
    """What is wrong with a text of several lines, such as a note or a reason; None if nothing is."""
    if not NOT_TEXT.search(text):
        return None
    return "Control characters and characters that turn the direction of text are not allowed."


def cleaned(text: str) -> str:
    """The text as one line, with a question mark for each character that is not allowed: for names of files."""
    return NOT_ONE_LINE.sub("?", text)
