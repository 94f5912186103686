"""Orders out of the files that other shop systems write: what reading them has in common.

Their orders become records with the columns of our own files, and are examined like those. What a shop system says
beside them is left out. Where its sums and its total differ, its total holds: see :func:`settled`.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from orders.services.identifiers import LONGEST_NUMBER
from orders.services.lifecycle.payments import LONGEST
from orders.services.text_rules import fitting
from orders.services.transfer.file_format import PARTS, iso
from orders.services.transfer.import_csv import Rows, Table, opened
from orders.services.transfer.import_fields import Fields, shown
from orders.services.transfer.import_files import Conventions, Problem, Record, UnreadableFile, first_row, require_once
from orders.services.transfer.import_ledger import LONGEST_LABEL, MOST_DIGITS

_KEPT_AS_TEXT = re.compile(r"'(?=[0-9=+\-@])|=\"(?=[^\"]*\"\Z)")
"""What is put before a cell so that a spreadsheet takes it for a text: an apostrophe, or a formula of a text."""
_LATEST = datetime.max.replace(tzinfo=UTC)
Charge = tuple[str, str, int]
"""The kind, the label and the cents of a charge."""


@dataclass(frozen=True)
class Shop:
    """What is peculiar to a shop system.

    :ivar columns: of its files, those that are read; `of_line` those of them that are about a line.
    :ivar needed: without one of each, no order can be read.
    :ivar advice: how to get a file that has them.
    :ivar key: of a row, tells its order.
    :ivar order: makes a record of an order.
    """

    name: str
    columns: Sequence[str]
    of_line: Collection[str]
    needed: Sequence[tuple[str, ...]]
    advice: str
    key: Callable[[Mapping[str, str]], str]
    order: Callable[["Sheet"], Record]


class Sheet:
    """The rows of one order. What is about the whole order may stand in its first row alone, or in each.

    :ivar fields: reads the cells of the order, and notes what is wrong with them.
    """

    def __init__(self, rows: Rows, of_line: Collection[str], conventions: Conventions) -> None:
        self.line, self.rows, self.conventions = rows[0][0], rows, conventions
        self.problems: list[Problem] = []
        self.cells: dict[str, str] = {}
        places: dict[str, int] = {}
        for line, row in rows:
            for name, cell in row.items():
                if name in of_line or not cell:
                    continue
                if self.cells.setdefault(name, cell) != cell:
                    text = f"{shown(cell)} is not {shown(self.cells[name])} as in line {places[name]}, the order's too"
                    self.problems.append(Problem(line, name, text))
                places.setdefault(name, line)
        self.fields = Fields(self.cells, self.line, conventions=conventions)

    def first(self, *columns: str) -> tuple[str, str]:
        """The first of these columns that says something, and what; the first of all where none does."""
        return next(((self.cells[name], name) for name in columns if self.cells.get(name)), ("", columns[0]))

    def text(self, *columns: str) -> str:
        return self.first(*columns)[0]

    def cents(self, *columns: str, signed: bool = False) -> int:
        """An amount; 0 where nothing is said, or something that makes no sense."""
        return self.fields.money(self.first(*columns)[1], digits=MOST_DIGITS, needed=False, signed=signed) or 0

    def moment(self, *columns: str) -> datetime | None:
        return self.fields.moment(self.first(*columns)[1], latest=_LATEST)


@dataclass
class Draft:
    """The record that an order becomes.

    :ivar paths: what the file calls a column of ours.
    """

    sheet: Sheet
    fields: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[int, str, Any]] = field(default_factory=list)

    def put(self, name: str, value: Any, column: str = "") -> None:
        self.fields[name] = value
        self.paths[name] = column or self.paths.get(name, name)

    def record(self, item_paths: Mapping[str, str]) -> Record:
        sheet = self.sheet
        problems = list(dict.fromkeys([*sheet.problems, *sheet.fields.problems]))
        paths = self.paths
        return Record(
            sheet.line, self.fields, self.lines, problems, paths, item_paths, sheet.conventions, is_foreign=True
        )


def read_foreign(
    file: TextIO,
    shop: Shop,
    conventions: Conventions,
    delimiter: str = "",
    ignored: Callable[[list[str]], None] = lambda _: None,
) -> Iterator[Record]:
    """The orders of another system's CSV file.

    :param ignored: called with the columns that are not read.
    :raises UnreadableFile: the heading is not understood, or a line is endless.
    """
    reader = opened(file, shop.columns, delimiter)
    header, unread = _heading(first_row(reader), shop)
    ignored(unread)
    for found in Table(header, reader).orders(shop.key, bare):
        if isinstance(found, Problem):
            yield Record(found.line, problems=[found])
        elif not shop.key(found[0][1]):
            text = f"{' or '.join(shop.needed[0])} is missing: which order is it of?"
            yield Record(found[0][0], problems=[Problem(found[0][0], "", text)])
        else:
            yield shop.order(Sheet(found, shop.of_line, conventions))


def _heading(given: Sequence[str], shop: Shop) -> tuple[list[str | None], list[str]]:
    """The columns as the shop's own files spell them, None where they are not read, and the names of the latter."""
    known = {name.casefold(): name for name in shop.columns}
    header = [known.get(name.casefold()) if name else "" for name in given]
    missing = [" or ".join(names) for names in shop.needed if not set(names) & set(header)]
    if missing:
        text = f"It is no file of {shop.name}: these columns are missing: {', '.join(missing)}."
        raise UnreadableFile(f"{text} {shop.advice}")
    require_once(header)
    return header, [name for name, column in zip(given, header, strict=True) if column is None]


def bare(cell: str) -> str:
    """A cell without blanks around it, and without what keeps a spreadsheet from changing it."""
    text = cell.strip()
    if text[:1] in ("'", "=") and (found := _KEPT_AS_TEXT.match(text)):
        return text[found.end() :].removesuffix('"') if found[0] == '="' else text[1:]
    return text


def identify(draft: Draft, shop: str, key: str, number: str, reference: str, column: str) -> None:
    """The order's id, so that the same order is always the same one, and its number as the other system writes it.

    A number too long for one is kept as the reference, in place of the other system's id.
    """
    draft.put("id", hashlib.sha256(f"imported order\0{shop}\0{key}".encode()).hexdigest()[:24])
    if len(number) <= LONGEST_NUMBER:
        draft.put("number", number, column)
        draft.put("reference", reference)
    else:
        draft.put("reference", number, column)


def address(draft: Draft, part: str, prefix: str, columns: Mapping[str, tuple[str, ...]]) -> None:
    """One of PARTS. :param columns: for each field of it, the columns that may say it, without their prefix."""
    for ours, name in PARTS[part].items():
        draft.put(ours, *draft.sheet.first(*(f"{prefix}{column}" for column in columns[name])))


def moments(draft: Draft, created: tuple[str, ...], later: Mapping[str, tuple[str, ...]]) -> None:
    """When the order was made, paid, shipped and so on.

    Nothing happened before it was made. An order that was paid after it was shipped has no `paid_at`: here, what is
    shipped has been paid before; its payment still says when.
    """
    sheet = draft.sheet
    at = sheet.moment(*created)
    draft.put("created_at", iso(at) if at else sheet.text(*created), sheet.first(*created)[1])
    found = {name: max(moment, at) for name, columns in later.items() if (moment := sheet.moment(*columns)) and at}
    paid = found.get("paid_at")
    if paid and min(found.values()) < paid:
        del found["paid_at"]
    for name, moment in found.items():
        draft.put(name, iso(moment), sheet.first(*later[name])[1])


def ledger(draft: Draft, *, paid: int, refunded: int, at: tuple[str, ...], reference: str, method: str) -> None:
    """What was paid and given back, in cents. :param at: the columns that may say when it was paid."""
    sheet = draft.sheet
    draft.put("paid", written(paid))
    draft.put("refunded", written(refunded))
    moment, created = sheet.moment(*at), draft.fields["created_at"]
    if paid and moment:
        entry = {"at": max(iso(moment), created), "amount": written(paid), "method": fitting(method, LONGEST["method"])}
        fits = len(reference) <= LONGEST["reference"]
        draft.put("payments", [entry | ({"reference": reference} if fits else {})])


def settled(draft: Draft, total: int, lines: int, readings: Sequence[Sequence[Charge]]) -> Sequence[Charge] | None:
    """The charges that make the total of what the lines come to, in cents; None, and a problem, if none do.

    Shop systems round taxes line by line. So where the sum is off by no more than a cent for each line, the total
    holds, and the difference is a tax of its own.

    :param readings: what the file may mean, the likeliest first: whether taxes are part of the prices, it does not say.
    """
    off = [total - lines - sum(cents for _, _, cents in charges) for charges in readings]
    best = min(range(len(readings)), key=lambda at: (abs(off[at]), at))
    charges = [charge for charge in readings[best] if charge[2]]
    if abs(off[best]) > len(draft.lines):
        said = ", ".join(f"{kind} {written(cents)}" for kind, _, cents in readings[0] if cents) or "none"
        come_to = f"the lines come to {written(lines)}, and with the charges ({said}) to {written(total - off[0])}"
        column = draft.paths["total_price"]
        draft.sheet.problems.append(Problem(draft.sheet.line, column, f"it is {written(total)}, but {come_to}"))
        return None
    if off[best]:
        charges.append(("tax", "Rounding", off[best]))
    draft.put(
        "charges",
        [
            {"kind": kind, "label": fitting(text, LONGEST_LABEL), "amount": written(cents)}
            for kind, text, cents in charges
        ],
    )
    return readings[best]


def user_of(draft: Draft, email: str, column: str, number: str) -> None:
    """The customer's id here as far as it is known, else the e-mail address; one without is a guest of this order."""
    known = email.lower()
    draft.put("user_id", draft.sheet.conventions.users.get(known, known) or f"guest:{number}", column)


def written(cents: int) -> str:
    return f"{Decimal(cents).scaleb(-2):.2f}"
