"""What the worst bodies of the largest size that is read cost: each is refused, and for next to nothing."""

from collections.abc import Callable, Iterator

import requests

from orders_project.settings.base import DATA_UPLOAD_MAX_MEMORY_SIZE as LARGEST
from orders_project.settings.base import LARGEST_FORM
from tests.bench.load import LoadError
from tests.bench.report import Rule
from tests.bench.stage import Server

MOST_CPU_MS, MOST_MEMORY = 100.0, 50.0
LONGEST_ANSWER = 50_000
"""Bytes of a refusal."""
TIMES = 5
"""So often each is sent: processor time is told in hundredths of a second."""
SIGNS = 24_900
"""Just as many commas and brackets as are let through."""
JSON, FORM, PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
ORDER = f"/api/v1/orders/{'0' * 24}"
WRITES = {
    "placing": ("POST", "/api/v1/orders/"),
    "changing the status": ("PUT", f"{ORDER}/status"),
    "many orders": ("POST", "/api/v1/orders/bulk-transitions"),
    "cancelling": ("DELETE", ORDER),
}
Case = tuple[str, str, str, str, bytes]
"""Name, method, address, content type and body of a request."""


def _array(begin: str, element: str, end: str, most: int = LARGEST) -> bytes:
    count = min((LARGEST - len(begin) - len(end)) // (len(element.encode()) + 1), most)
    return (begin + ",".join([element] * count) + end).encode()


def _object(begin: str, count: int, end: str = "}", value: str = "1") -> bytes:
    return (begin + ",".join(f'"{number:x}":{value}' for number in range(count)) + end).encode()


def _filled(begin: str, unit: str, end: str, largest: int = LARGEST) -> bytes:
    room = largest - len((begin + end).encode())
    return (begin + unit * (room // len(unit.encode())) + end).encode()


def _part(number: int) -> str:
    return f'--x\r\nContent-Disposition: form-data; name="{number}"\r\n\r\n1\r\n'


BODIES: dict[str, Callable[[], bytes]] = {
    "as many empty lines as there is room for": lambda: _array('{"items":[', "{}", "]}"),
    "as many empty lines as are let through": lambda: _array('{"items":[', "{}", "]}", SIGNS // 2),
    "a hundred lines, each full of unknown members": lambda: _array(
        '{"items":[', _object("{", SIGNS // 100 - 2).decode(), "]}", 100
    ),
    "as many unknown members as are let through": lambda: _object("{", SIGNS),
    "unknown members that are objects": lambda: _object("{", SIGNS // 2, value="{}"),
    "as many members as there is room for": lambda: _object("{", 100_000),
    "a long name": lambda: _filled('{"', "k", '":1}'),
    "a long status": lambda: _filled('{"status":"', "s", '"}'),
    "a long status of characters that are not seen": lambda: _filled('{"status":"', "\u200b", '"}'),
    "a long reason of characters that are not seen": lambda: _filled('{"status":"paid","reason":"', "\u200b", '"}'),
    "a long reason of blanks": lambda: _filled('{"status":"paid","reason":"', "\u3000", '"}'),
    "a long text of escapes": lambda: _filled('{"user_id":"', "\\u00e9", '"}'),
    "a long text that Python keeps in four bytes each": lambda: _filled('{"user_id":"\U0001f600', "a", '"}'),
    "a long transition": lambda: _filled('{"transition":"', "\u00e9", '"}'),
    "ids that are none": lambda: _array('{"transition":"pay","ids":[', '""', "]}", 10_000),
    "more ids that are none": lambda: _array('{"transition":"pay","ids":[', '""', "]}", SIGNS),
    "ids that are objects": lambda: _array('{"transition":"pay","ids":[', '{"a":1}', "]}", 10_000),
    "long ids": lambda: _array('{"transition":"pay","ids":[', f'"{"f" * 97}"', "]}", 10_000),
    "many statuses": lambda: _array('{"transition":"pay","filter":{"status":[', '"paid"', "]}}", SIGNS),
    "long numbers": lambda: _array('{"items":[', f"1.{'1' * 38}", "]}", SIGNS),
    "numbers with exponents": lambda: _array('{"items":[', "1e99", "]}", SIGNS),
    "one long number": lambda: _filled('{"user_id":', "9", "}"),
    "one long fraction": lambda: _filled('{"user_id":0.', "9", "}"),
    "objects within objects": lambda: b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "lists within lists": lambda: _filled("", "[", ""),
    "the same name again and again": lambda: _array("{", '"a":1', "}", SIGNS),
    "blanks": lambda: _filled("", " ", ""),
    "no JSON at its end": lambda: _array('{"items":[', '"a"', "]", SIGNS),
}
FORMS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a form of many fields": (FORM, lambda: _filled("", "a&", "", LARGEST_FORM)),
    "a form of one long field": (FORM, lambda: _filled("username=", "%22", "", LARGEST_FORM)),
    "a form of many parts": (PARTS, lambda: "".join(map(_part, range(4_000))).encode() + b"--x--\r\n"),
    "a form of one long part": (
        PARTS,
        lambda: _filled(_part(1).removesuffix("\r\n"), "\r\n--y", "\r\n--x--\r\n", LARGEST_FORM),
    ),
    "a form without an end": (PARTS, lambda: _filled("", "--x\r\n", "", LARGEST_FORM)),
}


def cases() -> Iterator[Case]:
    """Each body to each address that takes one, whether it is made for it or not."""
    for name, made in BODIES.items():
        body = made()
        for write, (method, address) in WRITES.items():
            yield f"{write}: {name}", method, address, JSON, body
    for name, (kind, made) in FORMS.items():
        yield name, "POST", "/admin/login/", kind, made()


def measure(server: Server, token: str, *, times: int = TIMES) -> tuple[dict[str, float], float]:
    """Send each body to a server with one worker.

    :returns: milliseconds of processor time by the name of the case, and the MB beyond the idle worker at the most.
    """
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    session.headers["X-CSRFToken"] = session.get(f"{server.url}/admin/login/").cookies["csrftoken"]
    all_cases = list(cases())
    _send(session, server, all_cases[0])
    idle = server.most_resident()
    server.forget_peaks()
    found = {}
    for case in all_cases:
        before = server.cpu_seconds()
        for _ in range(times):
            _send(session, server, case)
        found[case[0]] = (server.cpu_seconds() - before) * 1000 / times
    return found, server.peak_resident() - idle


def _send(session: requests.Session, server: Server, case: Case) -> None:
    name, method, address, kind, body = case
    answer = session.request(method, server.url + address, data=body, headers={"Content-Type": kind}, timeout=120)
    form = kind is not JSON
    told = 400 <= answer.status_code < 500 or (form and answer.status_code == 200)  # the form again, with its problems
    if not told or len(answer.content) > (4 * LARGEST_FORM if form else LONGEST_ANSWER):
        raise LoadError(f"{name}: {answer.status_code} with {len(answer.content)} bytes")


def rules(found: dict[str, float], memory: float) -> list[Rule]:
    worst = max(found, key=found.__getitem__)
    return [
        Rule(f"ms of processor time for the worst body ({worst})", found[worst], most=MOST_CPU_MS),
        Rule("MB for the worst body, beyond the idle worker", memory, most=MOST_MEMORY),
    ]
