"""Rules for the text that people write into an order through the API, the backoffice, a command or a file.

Letters of every script are welcome, with the joiners and marks that names and addresses need (U+200C to U+200F, U+061C,
U+180E). Invisible characters that come along with pasted text are removed: those that change the direction of text
(embeddings, overrides and isolates; Unicode's TR 36, "Bidirectional Text Spoofing"), zero-width spaces, soft hyphens,
byte order marks, and tags that do not belong to a flag. A text of nothing but joiners, marks and blanks is empty. In
one line, tabs and line breaks become a space. Other control characters are refused, and so are halves of characters
(lone surrogates).

A text is tidied first (`one_line` or `several_lines`) and then checked (`problem_of`); an address or a contact has both
done by `part_problems`.
"""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import Address, Contact

HALVES = "\ud800-\udfff"
BREAKS = "\n\r\x85\u2028\u2029"
REFUSED = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{HALVES}]")
DROPPED = re.compile(
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)"  # a flag, e.g. that of Wales: stays
    "|[\u00ad\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
LINE_BREAK = re.compile(f"\r\n|[{BREAKS}]")
NOT_ONE_LINE = re.compile(f"[\t{BREAKS}]+")
BLANKS = "".join(char for char in map(chr, range(0x3001)) if char.isspace() and not REFUSED.match(char))

_MARKS = "\u061c\u180e\u200c-\u200f"
MARKS_ALONE = re.compile(f"[{BLANKS}]*[{_MARKS}][{BLANKS}{_MARKS}]*")
"""A name that nobody can read, and an address that nobody finds, would else count as given."""


def one_line(text: str) -> str:
    """A text of one line, such as a name or a line of an address, as it is kept."""
    if text.isprintable():  # most texts; of the blanks that are only the space itself
        return text.strip(" ")
    return NOT_ONE_LINE.sub(" ", _seen(text).strip(BLANKS))


def several_lines(text: str) -> str:
    """A text of several lines, such as a note or a reason, as it is kept."""
    if text.isprintable():
        return text.strip(" ")
    return LINE_BREAK.sub("\n", _seen(text).strip(BLANKS))


def problem_of(text: str) -> str | None:
    """What is wrong with a text, tidied or not; None if nothing is."""
    return _("Control characters are not allowed.") if REFUSED.search(text) else None


def problem_within(text: str, longest: int) -> str | None:
    """The same, and whether it is too long: it may have so many characters, once tidied."""
    if len(text) > longest:
        return _("At most %(longest)d characters, please: it has %(length)d.") % {
            "longest": longest,
            "length": len(text),
        }
    return problem_of(text)


def line_problem(text: str) -> str | None:
    """What is wrong with a name by which somebody is known: it is taken as it is, or not at all. None if nothing is."""
    if NOT_ONE_LINE.search(text) or _seen(text) != text or problem_of(text):
        return _("Line breaks, control characters and characters that cannot be seen are not allowed.")
    return None


def cleaned(text: str) -> str:
    """The text with a question mark for each character that is refused: for what cannot be given back to its writer."""
    return REFUSED.sub("?", several_lines(text))


def _seen(text: str) -> str:
    seen = DROPPED.sub(lambda found: found[1] or "", text)
    return "" if MARKS_ALONE.fullmatch(seen) else seen


ADDRESS_FIELDS = tuple(field.name for field in Address._meta.concrete_fields if not field.primary_key)
CONTACT_FIELDS = tuple(field.name for field in Contact._meta.concrete_fields if not field.primary_key)

_LETTERS = r"A-Za-z\u00c0-\u167f\u3041-\ud7ff"
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = f"[{_LETTERS}0-9]([{_LETTERS}0-9-]{{0,61}}[{_LETTERS}0-9])?"
_NO_DIGITS = r"[^0-9\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f]*"
SHAPES = {
    "email": (
        re.compile(rf"{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+([{_LETTERS}]{{2,63}}|xn--[a-z0-9]{{1,59}})"),
        gettext_lazy("An email address is expected, e.g. amara@example.com."),
    ),
    "tracking_url": (
        re.compile("https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][!-~]*)?"),
        gettext_lazy("Give an address that begins with https:// or http://, in visible ASCII."),
    ),
    "phone": (
        re.compile(f"{_NO_DIGITS}([0-9]{_NO_DIGITS}){{3,}}"),
        gettext_lazy("A telephone number has at least three digits."),
    ),
}
"""Fields whose text has a certain shape: the pattern, as JSON Schema can have it too, and what is expected."""


def shape_problem(name: str, text: str) -> str | None:
    """What is wrong with the text of a field of SHAPES; None if nothing is, or if there is none."""
    shape, expected = SHAPES[name]
    return str(expected) if text and not shape.fullmatch(text) else None


def part_problems(part: Address | Contact) -> dict[str, list[str]]:
    """Tidy the fields of an address or a contact. :returns: what is wrong with each; empty if nothing is."""
    names = ADDRESS_FIELDS if isinstance(part, Address) else CONTACT_FIELDS
    for name in names:
        setattr(part, name, one_line(getattr(part, name) or ""))
    problems = {name: [problem] for name in names if (problem := problem_of(getattr(part, name))) is not None}
    for name in SHAPES.keys() & set(names) - problems.keys():
        if problem := shape_problem(name, getattr(part, name)):
            problems[name] = [problem]
    try:
        part.full_clean()
    except ValidationError as error:
        return error.message_dict | problems
    return problems


def fitting(text: str, most: int) -> str:
    """Foreign text, such as a product's name, as it is kept: in one line of at most so many characters."""
    return one_line(cleaned(text[: 4 * most]))[:most].rstrip()
