"""Clients that generators make of the OpenAPI document: compiled strictly, and used against the running service.

The generators run side by side, each followed by its compiler and by a storefront's steps in its language
(`tests/clients`). The Java client gets Jackson from the generator's own jar: Debian has no package of all its parts.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from pymongo.collection import Collection

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from tests.api_client import token
from tests.functional.helpers import TOWEL, Documents

pytestmark = pytest.mark.slow

CLIENTS = ROOT / "tests" / "clients"
PACKAGES = Path(os.environ.get("CLIENT_PACKAGES", ROOT / ".data" / "clients"))
"""Where `make test` has installed what tests/clients/package.json lists."""
ANNOTATIONS = Path("/usr/share/java/jakarta-annotation-api.jar")
MISSING = "The packages of tests/clients/package.json are not installed: `make test` does that"
PATIENCE = 240
"""Seconds for one step, on a machine that has a lot to do."""
PRICE, TOTAL = "14.90", "29.80"

Steps = Callable[["Workshop", Path], str]


class Workshop:
    """The document in a file, the service's address, and the programs of the generators."""

    def __init__(self, document: Path, base: str) -> None:
        self.document, self.base = document, base
        self.tools = PACKAGES / "node_modules" / ".bin"
        self.jar = _generator()

    def run(self, *command: object, at: Path, **environment: str) -> str:
        """:returns: what it wrote. :raises AssertionError: it failed, with all that it said."""
        ran = subprocess.run(
            [str(part) for part in command], cwd=at, env=os.environ | environment, capture_output=True, text=True,
            timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def use(self, *command: object, at: Path, **environment: str) -> str:
        """Have a client do a storefront's steps."""
        order = {"PRODUCT": TOWEL.product_id, "PRICE": PRICE, "KEY": at.name, "TOKEN": token("1"), "BASE": self.base}
        return self.run(*command, at=at, **order, **environment)

    def generate(self, kind: str, at: Path, *, to: str, options: str = "") -> None:
        java = ("java", "-XX:TieredStopAtLevel=1", "-jar", self.jar, "generate", "-q")
        properties = ("--additional-properties", f"hideGenerationTimestamp=true{options}")
        self.run(*java, "-g", kind, "-i", self.document, "-o", to, *properties, at=at)


def _generator() -> Path:
    found = importlib.util.find_spec("openapi_generator_cli")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("openapi-generator.jar")


def openapi_fetch(shop: Workshop, at: Path) -> str:
    _lay_out(at, "use_openapi_fetch.mts", "tsconfig.openapi-fetch.json")
    shop.run(shop.tools / "openapi-typescript", shop.document, "-o", "schema.d.ts", at=at)
    shop.run(shop.tools / "tsc", "-p", "tsconfig.openapi-fetch.json", at=at)
    return shop.use("node", "out/use_openapi_fetch.mjs", at=at)


def typescript_fetch(shop: Workshop, at: Path) -> str:
    _lay_out(at, "use_typescript_fetch.ts", "tsconfig.typescript-fetch.json")
    shop.generate("typescript-fetch", at, to="generated")
    shop.run(shop.tools / "tsc", "-p", "tsconfig.typescript-fetch.json", at=at)
    return shop.use("node", "out/use_typescript_fetch.js", at=at)


def python(shop: Workshop, at: Path) -> str:
    _lay_out(at, "use_python.py")
    (at / "config.yml").write_text("post_hooks: []\n")
    generate = ("-m", "openapi_python_client", "generate", "--path", shop.document, "--output-path", "order_client")
    shop.run(sys.executable, *generate, "--meta", "none", "--config", "config.yml", "--fail-on-warning", at=at)
    mypy = ("-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", at / "cache")
    shop.run(sys.executable, *mypy, "use_python.py", "order_client", at=at)
    return shop.use(sys.executable, "use_python.py", at=at)


def java(shop: Workshop, at: Path) -> str:
    _lay_out(at, "Use.java")
    options = ",library=native,openApiNullable=false,useJakartaEe=true,useSingleRequestParameter=true"
    shop.generate("java", at, to="generated", options=options)
    sources = sorted((at / "generated" / "src" / "main").rglob("*.java"))
    libraries = os.pathsep.join(map(str, (shop.jar, ANNOTATIONS)))
    compiler = ("javac", "-J-XX:TieredStopAtLevel=1", "-proc:none", "-d", "out", "-cp", libraries)
    shop.run(*compiler, "Use.java", *sources, at=at)
    run = ("java", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join(("out", libraries)), "Use")
    return shop.use(*run, at=at)


def lint(shop: Workshop, at: Path) -> str:
    _lay_out(at, "redocly.yaml")
    options = ("--config", "redocly.yaml", "--max-problems", "1000")
    return shop.run(shop.tools / "redocly", "lint", shop.document, *options, at=at, REDOCLY_TELEMETRY="off")


def _lay_out(at: Path, *names: str) -> None:
    for name in names:
        (at / name).write_text((CLIENTS / name).read_text())
    (at / "node_modules").symlink_to(PACKAGES / "node_modules")


USED = {"openapi-fetch": openapi_fetch, "typescript-fetch": typescript_fetch, "python": python, "java": java}
Results = dict[str, "Future[str]"]


@pytest.fixture(scope="module", name="results")
def results_fixture(
    live_server_url: str,
    running_sandbox: Sandbox,
    demo_catalogue: list[tuple[Collection[dict[str, Any]], list[dict[str, Any]]]],
    module_database: Documents,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Results]:
    """What each client printed, and the linter: they are at work side by side."""
    if not (PACKAGES / "node_modules").is_dir():
        pytest.fail(MISSING, pytrace=False)
    running_sandbox.control.reset()
    for collection, documents in demo_catalogue:
        collection.insert_many(documents)
    root = tmp_path_factory.mktemp("clients")
    document = root / "openapi.json"
    document.write_bytes(requests.get(f"{live_server_url}/api/v1/openapi.json", timeout=60).content)
    shop = Workshop(document, live_server_url)
    steps: dict[str, Steps] = USED | {"lint": lint}
    with ThreadPoolExecutor(len(steps)) as threads:
        found: Results = {}
        for name, step in sorted(steps.items(), key=lambda one: one[0] != "java"):  # the longest first
            (root / name).mkdir()
            found[name] = threads.submit(step, shop, root / name)
        yield found


@pytest.mark.timeout(4 * PATIENCE)
@pytest.mark.parametrize("name", USED)
def test_a_generated_client_compiles_and_places_reads_and_cancels(
    results: Results, module_database: Documents, name: str
) -> None:
    seen = json.loads(results[name].result().strip().splitlines()[-1])
    assert seen == {
        "id": seen["id"],
        "again": seen["id"],  # the key was sent: it is one order
        "read": seen["id"],
        "listed": seen["listed"],
        "price": PRICE,
        "names": ["Margaret", TOWEL.name],
        "total": TOTAL,
        "status": "cancelled",
        "refused": 409,
        "code": "transition_not_allowed",
        "current_status": "cancelled",
    }
    assert seen["id"] in seen["listed"]
    orders = {str(order["_id"]): order["status"] for order in module_database["orders"].find()}
    assert orders[seen["id"]] == "cancelled"


@pytest.mark.timeout(4 * PATIENCE)
def test_every_client_placed_one_order(results: Results, module_database: Documents) -> None:
    for result in results.values():
        result.result()
    assert module_database["orders"].count_documents({}) == len(USED)


@pytest.mark.timeout(4 * PATIENCE)
def test_the_document_is_what_redocly_recommends(results: Results) -> None:
    results["lint"].result()
