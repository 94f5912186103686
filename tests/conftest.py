"""The real things that tests speak to: one mongod, one sandbox of peers, one web server, each for the session.

Before each test the collections that another may have filled are emptied; permissions, content types, groups and
migrations stay, which makes a test about ten times as fast as Django's flush.
"""

import gc
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from coverage import Coverage
from django.conf import settings as django_settings
from django.core.servers.basehttp import WSGIServer
from django.db import connection, connections
from django.test.utils import override_settings, setup_databases, teardown_databases
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from pytest_django.plugin import DjangoDbBlocker

from devtools.embedded_mongo import EmbeddedMongo
from integrations import concurrent_calls, peer_requests
from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import seed
from orders.services import rate_limits
from orders.storage import foreign_orders
from tests.api_client import ApiClient
from tests.traced import is_traced

# What fails within a helper is told as it is in a test.
pytest.register_assert_rewrite("tests.integration", "tests.functional", "tests.proof")

LONGEST = (
    "test_interleavings", "test_bulk_processes", "test_metrics", "test_embedded_mongo", "test_quickstart",
    "test_api_fuzzed", "test_reload", "test_access_matrix", "test_storefront_recipes", "test_real_systems",
    "test_crashes", "test_chaos", "test_failover", "test_demo_logins", "test_behind_nginx", "test_clients",
    "test_accessibility", "test_orders", "test_security_headers", "test_hostile_input", "test_untranslated",
)  # fmt: skip
"""The modules that take longest: begun first, so that no process is left alone with one of them at the end."""
UseZone = Callable[[str], None]
MEMORY, OURS = Path("/dev/shm"), "order-tests-"  # noqa: S108 - where data cost no time at the disk
ROOM = 4 * 1024**3
"""Bytes that a few processes' databases need."""
KEPT = {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Leave one measurement running: pytest-cov starts two in each of xdist's processes, and pauses but one of them."""
    if (coverage := coverage_of(session.config)) is not None:
        coverage.pause()
        while (beneath := Coverage.current()) is not None:
            beneath.stop()
        coverage.resume()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Not look for garbage among thousands of tests while they are found, nor ever after: they stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that are measured come first: what a cache keeps from then on has been made while they ran."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    places = {path: (not is_traced(path), rank.get(path.stem, len(LONGEST)), path) for path in {i.path for i in items}}
    items.sort(key=lambda item: places[item.path])
    for item in items:
        if not is_traced(item.path):
            item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Have each of xdist's processes begin with other files: what one of them has compiled the others only read."""
    report = yield
    process: dict[str, Any] | None = getattr(collector.config, "workerinput", None)
    if process and isinstance(collector, pytest.Directory):
        first = len(report.result) * int(process["workerid"].removeprefix("gw")) // process["workercount"]
        report.result = report.result[first:] + report.result[:first]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    with traced_as_marked(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    with traced_as_marked(item):
        yield
    if nextitem is not None and is_traced(nextitem.path) and not is_traced(item.path):
        concurrent_calls.stop_threads()  # they would go on as they were started: untraced


@contextmanager
def traced_as_marked(item: pytest.Item) -> Iterator[None]:
    """What `no_cover` says of a test holds for its fixtures too."""
    coverage = coverage_of(item.config)
    if coverage is None or item.get_closest_marker("no_cover") is None:
        yield
        return
    coverage.pause()
    try:
        yield
    finally:
        coverage.resume()


def coverage_of(config: pytest.Config) -> Any:
    """What pytest-cov measures with in this process, if it does."""
    return getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)


@pytest.fixture
def short_reads(settings: Settings) -> None:
    """For tests in which a read of a peer is to run out of time: not so short that others do on a busy machine."""
    settings.PEER_READ_TIMEOUT = 1.0


@pytest.fixture
def short_writes(settings: Settings) -> None:
    """The same for changes of stock, and for what waits until there is no time for one any more."""
    settings.PEER_CONNECT_TIMEOUT, settings.INVENTORY_WRITE_TIMEOUT = 0.5, 1.0


@pytest.fixture
def use_zone() -> Iterator[UseZone]:
    """Run the rest of the test with another TIME_ZONE."""
    with ExitStack() as changes:
        yield lambda name: changes.enter_context(override_settings(TIME_ZONE=name))


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real mongod: one of our own, unless TEST_MONGODB_URI names another."""
    if given := os.environ.get("TEST_MONGODB_URI"):
        yield given
        return
    with in_memory(tmp_path_factory) as directory, EmbeddedMongo(directory) as mongo:
        acknowledge_without_the_journal(mongo.uri)
        yield mongo.uri


def acknowledge_without_the_journal(uri: str) -> None:
    """Spare a server that no test kills two fifths of the time of a write: nobody wants its data afterwards."""
    with MongoClient[dict[str, Any]](uri) as client:
        config = client.admin.command("replSetGetConfig")["config"]
        config |= {"version": config["version"] + 1, "writeConcernMajorityJournalDefault": False}
        client.admin.command("replSetReconfig", config)


@contextmanager
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory whose files cost no time at the disk, most of a write's; an ordinary one on a small machine."""
    for left in MEMORY.glob(f"{OURS}*"):  # of a process that was killed
        if not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path_factory.mktemp("mongo")
        return
    with TemporaryDirectory(dir=MEMORY, prefix=f"{OURS}{os.getpid()}-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def django_db_setup(mongo_uri: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Create and migrate the test database, and open it to every test that asks for `database`."""
    connections.settings["default"]["HOST"] = mongo_uri
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        yield
        teardown_databases(made, verbosity=0)
        connection.close_pool()


@pytest.fixture(scope="session")
def running_sandbox(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Sandbox]:
    with django_db_blocker.unblock():
        name = f"{connection.settings_dict['NAME']}_sandbox"
        client = connection.database.client
        with Sandbox(client[name]) as sandbox:
            for peer in ("USER", "PRODUCT", "INVENTORY"):
                setattr(django_settings, f"{peer}_SERVICE_URL", sandbox.url)
            yield sandbox
        peer_requests.reset()
        concurrent_calls.stop_threads()
        client.drop_database(name)


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Database[dict[str, Any]]]:
    """The test database, empty: before the test, so that nothing is left of one that did not ask for it."""
    with django_db_blocker.unblock():
        yield emptied()


@pytest.fixture(scope="module")
def module_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Database[dict[str, Any]]]:
    """The test database, empty before the module's first test: for what is set up once for all of them."""
    with django_db_blocker.unblock():
        yield emptied()


def emptied() -> Database[dict[str, Any]]:
    database: Database[dict[str, Any]] = connection.database
    assert database.name.startswith("test_")
    rate_limits.forget()  # whom this process has refused
    foreign_orders.forget()  # that there were none
    for name in filled(database):
        database[name].delete_many({})
    return database


def filled(database: Database[dict[str, Any]]) -> list[str]:
    """The collections with a document in them, by one request: most tests leave most of them empty."""
    names = sorted(set(database.list_collection_names()) - KEPT)
    looks = [
        {"$unionWith": {"coll": name, "pipeline": [{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}]}}
        for name in names
    ]
    latest = database.with_options(read_concern=ReadConcern("local"))  # what a majority has may be older
    return [found["_id"] for found in latest.aggregate([{"$documents": []}, *looks])]


@pytest.fixture(scope="session")
def demo_catalogue(running_sandbox: Sandbox) -> list[tuple[Collection[dict[str, Any]], list[dict[str, Any]]]]:
    """The demo catalogue as the sandbox stores it, to put it back at once instead of piece by piece."""
    control = running_sandbox.control
    control.reset()
    seed(control)
    return [(kept, kept.find().to_list()) for kept in (control.products, control.users, control.room.stock)]


@pytest.fixture
def sandbox(
    running_sandbox: Sandbox,
    demo_catalogue: list[tuple[Collection[dict[str, Any]], list[dict[str, Any]]]],
    database: Database[dict[str, Any]],
) -> Iterator[Sandbox]:
    """The peers, with the demo catalogue in stock, no faults, and no idempotency keys honoured."""
    peer_requests.reset()
    running_sandbox.control.reset()
    for collection, documents in demo_catalogue:
        collection.insert_many(documents)
    yield running_sandbox
    running_sandbox.control.clear_faults()


@pytest.fixture(scope="session")
def live_server_url(running_sandbox: Sandbox) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIServer, "request_queue_size", 1024)  # with Django's ten, some of 200 at once are reset
        server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()


@pytest.fixture
def api(live_server_url: str, sandbox: Sandbox) -> Iterator[Callable[..., ApiClient]]:
    """A maker of API clients: `api()` is customer 1, `api("7")` customer 7, `api(admin=True)` an admin."""
    made: list[ApiClient] = []

    def make(user_id: str = "1", *, admin: bool = False, token: str | None = None) -> ApiClient:
        made.append(ApiClient(live_server_url, user_id, admin=admin, token=token))
        return made[-1]

    yield make
    for client in made:
        client.close()
