"""What a run over lost nodes comes to: how long clients had to wait, and the figures for docs/reliability.md."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

NAMES = {
    "kill": "killed (SIGKILL)",
    "freeze": "frozen (SIGSTOP), and thawed when another led",
    "cut off": "killed after it had been the only node for a moment",
    "minority": "left alone, and no majority for a while",
}


def longest_outage(events: list[dict[str, Any]]) -> float:
    """The longest time, in seconds, for which one client got nothing but 503, waiting included."""
    since: dict[str, float] = {}
    longest = 0.0
    for event in events:
        if "ms" not in event:
            continue
        if event["status"] in (None, 503):
            since.setdefault(event["who"], event["t"] - event["ms"] / 1000)
        elif event["who"] in since:
            longest = max(longest, event["t"] - since.pop(event["who"]))
    return round(longest, 2)


def longest_placement(events: list[dict[str, Any]]) -> float:
    """The longest time, in seconds, from first sending a placement until a client was told 201."""
    sent: dict[str, list[float]] = defaultdict(list)
    longest = 0.0
    for event in events:
        if event.get("op") == "place":
            sent[event["key"]].append(event["t"] - event["ms"] / 1000)
            if event["status"] == 201:
                longest = max(longest, event["t"] - sent[event["key"]][0])
                sent[event["key"]] = []
    return round(longest, 2)


def rows(reports: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """The figures of some runs, for docs/reliability.md."""
    lost = Counter[str](act for report in reports for act, _ in report["acts"])
    answers = Counter[str]()
    for report in reports:
        answers.update({name: count for name, count in report["counts"].items() if "answer" in name})
    outages = [(act, seconds) for report in reports for act, seconds in report["acts"]]
    return [
        ("losses of a primary survived", sum(lost.values())),
        *((f"… {NAMES[act]}", lost[act]) for act in NAMES),
        ("orders placed meanwhile", sum(report["placed"] for report in reports)),
        ("writes acknowledged", sum(report["acknowledged"] for report in reports)),
        ("orders changed by bulk runs meanwhile", sum(
            run["done"] or 0 for report in reports for run in report["bulk"].values()
        )),
        ("events told meanwhile, to two who followed them", sum(report["told"] for report in reports)),
        ("acknowledged and lost, or doubled, or any other violation", sum(len(r["violations"]) for r in reports)),
        ("lines that became unknown, where inventory honours no keys", sum(
            report["unknown_settled"] for report in reports if not report["keys"]
        )),
        ("… where it does", sum(report["unknown_settled"] for report in reports if report["keys"])),
        *((f"longest time without an acknowledged write, {NAMES[act]}, s", max(
            seconds for done, seconds in outages if done == act
        )) for act in NAMES if lost[act]),
        ("longest time for which a client got nothing but 503, s", max(
            report["longest_outage_of_a_client"] for report in reports
        )),
        ("longest time from first sending a placement until it was acknowledged, s", max(
            report["longest_placement"] for report in reports
        )),
        ("longest single answer, s", max(report["slowest_seconds"] for report in reports)),
        *((f"requests: {name}", count) for name, count in sorted(answers.items())),
    ]  # fmt: skip
