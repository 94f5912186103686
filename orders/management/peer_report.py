"""How what was found out about peers is shown: as a table, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper

from orders.services.examination import stock_trials
from orders.services.examination.findings import Finding, Verdict
from orders.services.examination.stock_trials import Plan, Tried
from orders.services.examination.suggestions import Suggestion
from orders.services.examination.trial_stock import shown

COLUMNS = f"{'':<7}  {'peer':<9}  {'call':<7}  {'status':<7}  {'median/max ms':>14}  what was asked: what was found"


def show_plan(planned: Plan, told: OutputWrapper) -> None:
    """What is about to be tried on a product."""
    told.write(f"\nProduct {planned.product_id}: {shown(planned.level)}. This will be tried:")
    for call, case, _ in stock_trials.TRIALS:
        told.write(f"  {call}: {case}")
    told.write(
        f"Up to {planned.most} units at a time are reserved and given back; {planned.too_many} are asked for, which "
        f"should be refused. The orders that are named do not exist; their ids begin with {planned.prefix}."
    )
    if settings.INVENTORY_IS_ATOMIC:
        told.write(
            "Nobody should order this product meanwhile: it would disturb what is read, and units could stay reserved."
        )
    else:
        told.write("Nobody can order this product meanwhile: it is locked.")
    told.write("")


def lines_of(finding: Finding) -> str:
    """A finding, as lines of the table."""
    statuses = ",".join(map(str, finding.statuses)) or "-"
    took = f"{finding.median_ms:.1f} / {finding.slowest_ms:.1f}" if finding.seconds else "-"
    lines = [
        f"{finding.verdict:<7}  {finding.peer:<9}  {finding.call:<7}  {statuses:<7}  {took:>14}  "
        f"{finding.case}: {finding.found}"
    ]
    if finding.verdict is Verdict.WRONG and finding.expected:
        lines.append(f"{'':9}expected: {finding.expected}")
    if finding.came:
        lines.append(f"{'':9}came: {finding.came}")
    return "\n".join(lines)


def table(follows: Sequence[Suggestion], told: OutputWrapper) -> None:
    """The settings, and what would be better."""
    told.write(f"\n{'setting':<34}  {'now':>6}  {'better':>6}")
    for each in follows:
        better = "-" if each.suggested is None else each.suggested
        told.write(f"{each.setting:<34}  {each.now!s:>6}  {better!s:>6}  {each.because}")


def as_json(findings: Sequence[Finding], follows: Sequence[Suggestion], tried: Tried | None) -> dict[str, Any]:
    """The whole report, JSON-ready."""
    left = [{"order_id": order.id, "units": order.most} for order in tried.left] if tried else []
    told = [
        asdict(finding) | {"median_ms": finding.median_ms, "slowest_ms": finding.slowest_ms} for finding in findings
    ]
    return {"findings": told, "settings": list(map(asdict, follows)), "left": left}
