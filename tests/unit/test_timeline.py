"""What the timeline says: a sentence for every kind of entry that services write, in days of the shop's zone."""

import ast
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytest_django import Settings

import orders.services
from orders.admin import timeline
from orders.admin.timeline import SENTENCES, sentence
from orders.models import HistoryEntry, LineState, Order, OtherOrder, Payment, Refund, Shipment, transition_names

AT = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(orders.services.__path__, "orders.services."):
        yield import_module(found.name)


def kinds_written() -> dict[str, set[str]]:
    """Of each call that makes an entry, by its place: the acts that it may name."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for function in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in ast.walk(function):
                is_entry = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
                if is_entry and call.func.attr == "entry" and call.args:  # type: ignore[attr-defined]
                    named = call.args[0]  # type: ignore[attr-defined]
                    found[f"{module.__name__}:{call.lineno}:{call.col_offset}"] = set(acts(named, function, module))  # type: ignore[attr-defined]
    return found


def acts(named: ast.expr, function: ast.FunctionDef, module: ModuleType) -> Iterator[str]:
    """What an expression may come to: a text, a module's constant, a transition, or a variable that is one of these."""
    match named:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Attribute(attr="name"):  # of an edge of the machine
            yield from transition_names()
        case ast.Name(id=name) if isinstance(getattr(module, name, None), str):
            yield getattr(module, name)
        case ast.Name(id=name):
            parameters = {argument.arg for argument in function.args.args}
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and name in first_names(node):
                    for part in ast.walk(node.value):
                        if isinstance(part, ast.Name) and isinstance(getattr(module, part.id, None), str):
                            yield getattr(module, part.id)
            if name in parameters:  # of a function that is called with them
                yield from (text for text in vars(module).values() if isinstance(text, str) and text in SENTENCES)


def first_names(assigned: ast.Assign) -> set[str]:
    target = assigned.targets[0]
    first = target.elts[0] if isinstance(target, ast.Tuple) else target
    return {first.id} if isinstance(first, ast.Name) else set()


def test_every_kind_of_entry_that_services_write_has_a_sentence() -> None:
    written = kinds_written()
    assert len(written) >= 20
    unread = {place.partition(":")[0] for place, named in written.items() if not named}
    assert unread == {"orders.services.lifecycle.changes"}, "it hands on what others say; what do the rest write?"
    every = set().union(*written.values())
    assert {*transition_names(), "note", "assign", "untag", "refund_part", "import", "resolve"} <= every
    assert every - SENTENCES.keys() == set()
    assert SENTENCES.keys() - every == set(), "nobody writes these"


def entry(act: str, **more: Any) -> HistoryEntry:
    given = {"at": AT, "act": act, "actor": "staff:nia", "via": "admin"} | more
    return HistoryEntry(**given)


def order(*history: HistoryEntry, **fields: Any) -> Order:
    return Order(number="0000-0000-0000", user_id="17", currency="EUR", history=list(history), **fields)


@pytest.mark.parametrize("act", SENTENCES)
def test_a_sentence_says_all_of_it_and_nothing_of_machines(act: str) -> None:
    told = sentence(order(), entry(act, detail="50 % %(who)s", line=2, target="released"))
    assert told[-1] == "."
    for placeholder in ("what", "item", "state"):
        assert f"%({placeholder})" not in told
    assert ("50 % %(who)s" in told) == (act in timeline.WITH_DETAIL)
    assert ("nia" in told) == (act != "stock")
    assert ("item 3" in told.lower()) == (act in ("stock", "resolve", "retry", "accept_shortage"))
    assert timeline.entries(order(), [entry(act, detail="Two towels")], AT)[0].sentence


@pytest.mark.parametrize("state", LineState)
def test_what_became_of_stock_is_told_for_every_state(state: LineState) -> None:
    assert sentence(order(), entry("stock", line=0, target=state)).startswith("Item 1: ")


@pytest.mark.parametrize(
    ("actor", "who"),
    [
        ("staff:nia", "nia"), ("customer:17", "The customer"), ("customer:18", "Customer 18"),
        ("service:payments", "The service payments"), ("admin:boss", "Admin boss"),
        ("system:run_worker", "The process run_worker"), ("robot:x", "robot x"), ("<b>", "<b>"),
    ],
)  # fmt: skip
def test_a_sentence_begins_with_who_did_it(actor: str, who: str) -> None:
    assert sentence(order(), entry("note", actor=actor)) == f"{who} added an internal note."


def test_parcels_and_money_are_told_with_what_the_order_knows_of_them() -> None:
    later = AT + timedelta(hours=1)
    full = order(
        shipments=[Shipment(at=AT, carrier="DHL", tracking_number="JD0123"), Shipment(at=later)],
        payments=[Payment(at=AT, amount=Decimal("64.90"))],
        refunds=[Refund(at=AT, amount=Decimal("4.90")), Refund(at=later, amount=Decimal("60.00"))],
    )
    for told, said in (
        (entry("ship_part"), "nia shipped parcel 1 with DHL JD0123."),
        (entry("ship", at=later), "nia shipped parcel 2: the order is shipped."),
        (entry("ship", at=AT - timedelta(1)), "nia marked the order as shipped."),
        (entry("pay", actor="service:payments"), "The service payments recorded €64.90 as paid."),
        (entry("pay", at=later), "nia marked the order as paid."),
        (entry("refund_part"), "nia recorded €4.90 as refunded."),
        (entry("refund", at=later), "nia recorded €60.00 as refunded: the order is refunded."),
        (entry("tag"), "nia added tags."),
        (entry("untag"), "nia removed a tag."),
        (entry("something_new"), "nia: Something new"),
    ):
        assert sentence(full, told) == said


def test_days_are_those_of_the_shop_and_the_newest_is_first(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"  # where clocks go forward at 01:00 UTC
    hours = [timedelta(hours=hours) for hours in (-2, 0, 1, 30)]
    history = [entry(act, at=AT + after) for act, after in zip(("draft", "place", "note", "pay"), hours, strict=True)]
    found = timeline.timeline(order(*history), AT + timedelta(hours=31))
    assert [(day.name, [told.clock for told in day.entries]) for day in found.recent] == [
        ("Today, Monday 30 March 2026", ["08:30:00 CEST"]),
        ("Yesterday, Sunday 29 March 2026", ["03:30:00 CEST", "01:30:00 CET"]),
    ]
    assert (found.earlier, found.hidden) == ([], 0)
    assert found.machine[0] == "2026-03-30 08:30:00 CEST · pay · staff:nia · admin"
    assert len(found.machine) == 4
    draft = timeline.timeline(order(history[0]), AT + timedelta(days=9))
    assert [(day.name, day.entries[0].sentence) for day in draft.recent] == [
        ("Saturday 28 March 2026", "nia began the order.")
    ]


def test_what_machines_noted_of_an_entry_is_told_apart() -> None:
    noted = entry("resolve", line=0, source="unknown", target="released", request_id="r-1")
    assert timeline.timeline(order(noted), AT).machine == [
        "2026-03-29 00:30:00 UTC · resolve · items.0 · unknown → released · staff:nia · admin · request r-1"
    ]
    assert timeline.entries(order(), [entry("change_address", detail="1 Street")], AT)[0].detail == "Before: 1 Street"


def test_only_an_entry_about_another_order_says_that_one_replaces_the_other() -> None:
    other = OtherOrder(number="1111-1111-1111")
    told = entry("place", detail=other.number), entry("cancel", detail=other.number)
    in_parts = entry("place", detail="the rest"), entry("cancel", detail="Item 1: 2 units")

    def details(about: Order) -> list[str]:
        return [one.detail for one in timeline.entries(about, [*told, *in_parts], AT)]

    plain = [one.detail for one in (*told, *in_parts)]
    assert details(order()) == plain
    assert details(order(replaces=other)) == [f"Replaces order {other.number}", *plain[1:]]
    assert details(order(replaced_by=other)) == [plain[0], f"Replaced by order {other.number}", *plain[2:]]
