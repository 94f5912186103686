"""The arguments that say how a file of orders from elsewhere is to be read."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orders.models import PUBLIC_STATUSES
from orders.services.transfer.import_files import Conventions
from orders.services.transfer.import_sources import ENCODINGS, FileOfOrders, Source, read_users

DELIMITERS = {",": ",", ";": ";", "tab": "\t"}


def zone(text: str) -> ZoneInfo:
    """A time zone by its name."""
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(text)
    raise ArgumentTypeError(f"{text!r} is no time zone, e.g. Europe/Lisbon")


def status_pair(text: str) -> tuple[str, str]:
    """A status of WooCommerce, and ours."""
    theirs, _, ours = text.partition("=")
    if not theirs or ours not in PUBLIC_STATUSES:
        raise ArgumentTypeError(f"{text!r} is not THEIRS=OURS, where OURS is one of {', '.join(PUBLIC_STATUSES)}")
    return theirs.lower().removeprefix("wc-"), ours


def add_file_arguments(parser: ArgumentParser) -> None:
    """Those of the file, its format, and what its values mean."""
    parser.add_argument("file", type=Path, help="a CSV file, or JSON lines if its name ends so (.jsonl, .ndjson)")
    formats = "csv or jsonl, whatever the name says; or shopify or woocommerce"
    parser.add_argument("--format", choices=[*map(str, Source)], help=formats)
    parser.add_argument("--delimiter", choices=[*DELIMITERS], help="between cells (default: told by the heading)")
    encoding = "of the file (default: utf-8, or utf-16 if the file has its mark)"
    parser.add_argument("--encoding", choices=ENCODINGS, default="", help=encoding)
    parser.add_argument("--decimal-comma", action="store_true", help="amounts may be written as 12,50")
    parser.add_argument("--time-zone", type=zone, metavar="ZONE", help="of times without one, e.g. Europe/Lisbon")
    skus = "take the SKU of each line for the id of its product, even where it has another"
    parser.add_argument("--sku-as-product", action="store_true", help=skus)
    users = "CSV with the columns email and user_id: the customers of another system as they are known here"
    parser.add_argument("--users", type=Path, help=users)
    statuses = "what a status of your own in WooCommerce means, e.g. packed=processing"
    parser.add_argument(
        "--map-status", action="append", type=status_pair, default=[], metavar="THEIRS=OURS", help=statuses
    )


def file_of_orders(options: dict[str, Any], ignored: Callable[[list[str]], None]) -> FileOfOrders:
    """The file that these arguments name.

    :param ignored: told the columns that are not imported, each time that the file is read.
    :raises UnreadableFile, OSError: the file of users cannot be read.
    """
    path: Path = options["file"]
    jsonl = path.suffix in (".jsonl", ".ndjson")
    users = read_users(options["users"]) if options["users"] else {}
    return FileOfOrders(
        path,
        Source(options["format"] or (Source.JSONL if jsonl else Source.CSV)),
        Conventions(options["decimal_comma"], options["time_zone"], options["sku_as_product"], users),
        options["encoding"],
        DELIMITERS[options["delimiter"]] if options["delimiter"] else "",
        dict(options["map_status"]),
        ignored,
    )
