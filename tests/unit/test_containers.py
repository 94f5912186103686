"""The container files, as far as they can be held to their word without an engine.

They name commands, settings and files of this project: each must exist, and those that can run here are run.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = re.sub(r"\\\n", "", (ROOT / "Dockerfile").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "order-service"}
PROXY = SERVICES["proxy"]
ENVIRONMENT: dict[str, str] = COMPOSE["x-service"]["environment"]
REFERENCE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
DOCUMENTED = {
    name
    for row in re.findall(r"(?m)^\| (`[A-Z].*?) \|", (ROOT / "docs" / "settings.md").read_text())
    for name in re.findall(r"`([A-Z][A-Z_]+)`", row)
}
SECRET = "0f3b9c1d7e5a48269b0c4d1e8f7a6b52c3"
EXAMPLE = (ROOT / ".env.example").read_text()
STAND_INS = dict(re.findall(r"(?m)^(\w+)=(.+)$", EXAMPLE))
"""The lines that the example has set."""
OWN = {f"{peer}_SERVICE_URL": f"https://{peer.lower()}.example/api/v1" for peer in ("USER", "PRODUCT", "INVENTORY")}


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction in the Dockerfile, in order."""
    return re.findall(rf"(?m)^{name} +(.*)$", DOCKERFILE)


def image_command() -> list[str]:
    command: list[str] = json.loads(instructions("CMD")[-1])
    return command


def commands() -> list[tuple[str, list[str]]]:
    """Every command line of ours in both files, healthchecks included."""
    found = [("Dockerfile", image_command())]
    found.append(("HEALTHCHECK", json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])))
    found += [(name, service["command"]) for name, service in OURS.items() if "command" in service]
    return found


def interpolated(**given: str) -> dict[str, str]:
    """The environment that docker compose would give the containers, with these lines in `.env`."""
    files = [file["path"] for file in COMPOSE["x-service"]["env_file"]]
    return (given if files == [".env"] else {}) | {
        name: REFERENCE.sub(lambda found: given.get(found[1], found[3] or ""), str(value))
        for name, value in ENVIRONMENT.items()
    }


def run_manage(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    bare = {name: os.environ[name] for name in os.environ if name in {"PATH", "HOME"} or name.startswith("COV")}
    settings = {"DJANGO_SETTINGS_MODULE": "orders_project.settings.production"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=bare | settings | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("where", "command"), commands())
def test_every_command_exists(where: str, command: list[str]) -> None:
    assert command[0] == "python", where
    if command[1] == "-m":
        assert importlib.util.find_spec(command[2]), where
    else:
        assert command[1] == "manage.py", where
        assert command[2] in get_commands(), where


def test_the_image_serves_as_the_quickstart_does() -> None:
    gunicorn = ", ".join(f'"{word}"' for word in image_command()[1:])
    assert gunicorn in (ROOT / "devtools" / "quickstart.py").read_text()
    settings = importlib.import_module(image_command()[-1].removeprefix("python:"))
    assert settings.wsgi_app == "orders_project.wsgi:application"
    assert settings.timeout == 30
    assert (ROOT / "orders_project" / "wsgi.py").exists()


def test_the_image_runs_without_root_on_the_port_it_exposes() -> None:
    assert instructions("FROM") == ["python:3.11-slim"]
    (user,) = instructions("USER")
    assert int(user) > 0
    assert DOCKERFILE.index("USER") < DOCKERFILE.index("\nCMD")
    assert f"--uid {user} " in DOCKERFILE
    assert "PORT=8001" in instructions("ENV")[0].split()
    assert instructions("EXPOSE") == ["8001"]
    assert "-r requirements/production.txt" in DOCKERFILE


@pytest.mark.parametrize("name", ["Dockerfile", "docker-compose.yml", ".env.example", ".dockerignore"])
def test_no_secret_is_written_down(name: str) -> None:
    text = (ROOT / name).read_text()
    assigned = re.findall(r"(?m)^[^#\n]*?\b(\w*(?:SECRET|PASSWORD|TOKEN|SHARED_KEY)\w*)[=:] *(\S*)", text)
    allowed = {"", '"$(python', "${SECRET_KEY:?set"}
    assert not [(setting, value) for setting, value in assigned if value not in allowed]


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    sources = [source for line in instructions("COPY") for source in line.split()[:-1]]
    assert {"manage.py", "orders_project", "orders", "integrations", "templates"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in let_through), source
    assert "*" in ignored
    assert not {"tests", "devtools", ".data", ".env", ".git", ".venv"} & set(let_through)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the image, as far as they come from here."""
    folder = tmp_path_factory.mktemp("image")
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    left_out = [line for line in lines if line and not line.startswith(("!", "#", "*"))]
    for name in (name for line in instructions("COPY")[1:] for name in line.split()[:-1]):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / name)
        else:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in left_out:
        (folder / name).unlink()
    return folder


@pytest.mark.slow
def test_the_image_holds_no_tools_of_development_and_needs_none(image: Path) -> None:
    assert {path.name for path in image.iterdir()} == {
        "manage.py", "pyproject.toml", "integrations", "locale", "observability", "orders", "orders_project",
        "templates",
    }  # fmt: skip
    assert (image / "locale" / "de" / "LC_MESSAGES" / "django.mo").exists(), "nothing is compiled in the image"
    assert {path.stem for path in (image / "orders_project" / "settings").glob("*.py")}.isdisjoint(
        {"development", "test"}
    )
    program = (
        "import django, importlib, pkgutil; django.setup()\n"
        "import integrations, observability, orders, orders_project\n"
        "for room in (integrations, observability, orders, orders_project):\n"
        "    for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "        if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "from django.core.management import call_command, get_commands\n"
        "print(*get_commands())\n"
        "call_command('check')\n"
        "call_command('spectacular')"
    )
    (image / "pyproject.toml").write_text('[project]\nversion = "7.8.9"\n')
    done = in_image(image, "-c", program)
    assert done.returncode == 0, done.stderr
    commands, *_ = done.stdout.splitlines()
    assert "run_worker" in commands.split()
    assert not {"quickstart", "load_demo_data"} & set(commands.split())
    assert "version: 7.8.9" in done.stdout, "that is the only place of the number"


def in_image(image: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python among these files, with the settings of production."""
    required = {name: "http://nowhere" for name in DOCUMENTED if name.endswith("_SERVICE_URL")}
    required |= {"SECRET_KEY": SECRET, "MONGODB_URI": "mongodb://nowhere", "ALLOWED_HOSTS": "nowhere"}
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "orders_project.settings.production"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=image, env=environment | required, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_static_files_are_collected_with_what_the_build_sets() -> None:
    (build,) = [line for line in instructions("RUN") if "collectstatic" in line]
    settings = dict(re.findall(r"(\w+)=(\S+)", build.partition("python manage.py")[0].replace('"$(', "$(")))
    settings["SECRET_KEY"] = SECRET
    done = run_manage("collectstatic", "--no-input", "--dry-run", environment=settings)
    assert done.returncode == 0, done.stderr
    assert "static files" in done.stdout


@pytest.mark.slow
def test_production_starts_with_what_compose_sets() -> None:
    for peers in (STAND_INS, OWN):
        done = run_manage("check", environment=interpolated(SECRET_KEY=SECRET, **peers))
        assert done.returncode == 0, done.stderr


def test_the_sandbox_runs_only_where_it_stands_in_for_the_peers() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "sandbox": [STAND_INS["COMPOSE_PROFILES"]]
    }
    assert {STAND_INS[name].partition("//")[2].partition(":")[0] for name in OWN} == {"sandbox"}
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"]["sandbox"]["required"] is False
    assert "sandbox" not in str([ENVIRONMENT, PROXY]), "without it nobody is given its address"
    refused = run_manage("check", environment=interpolated(SECRET_KEY=SECRET))
    assert refused.returncode == 78
    assert all(f"\n  {name} is not set\n" in refused.stderr for name in OWN)


def test_compose_asks_for_the_secret_and_has_a_default_for_all_else() -> None:
    references = [found for value in ENVIRONMENT.values() for found in REFERENCE.findall(str(value))]
    assert [name for name, kind, _ in references if kind != "-"] == ["SECRET_KEY"]
    refused = run_manage("check", environment=interpolated(SECRET_KEY="", **STAND_INS))
    assert refused.returncode != 0
    assert "SECRET_KEY is not set" in refused.stderr


def test_every_setting_in_the_container_files_is_one_of_the_service() -> None:
    known = "".join(path.read_text() for path in (ROOT / "orders_project" / "settings").glob("*.py"))
    example = set(re.findall(r"(?m)^#?(\w+)=", EXAMPLE)) - {"COMPOSE_PROFILES"}  # which Compose reads
    assert example <= DOCUMENTED
    for name in {*ENVIRONMENT, *example} - {"BIND_HOST"}:  # which gunicorn alone reads
        assert f'"{name}"' in known, name


def test_every_documented_setting_reaches_the_containers_from_the_env_file() -> None:
    given = {name: f"given for {name}" for name in DOCUMENTED}
    reached = interpolated(**given)
    assert len(DOCUMENTED) > 80
    assert {name for name in DOCUMENTED if reached.get(name) != given[name]} == set()
    for name, service in OURS.items():
        assert service["env_file"] == [{"path": ".env", "required": False}], name
        assert service["environment"] == ENVIRONMENT, name


@pytest.mark.slow
def test_production_starts_with_every_line_of_the_example() -> None:
    example = dict(re.findall(r"(?m)^#?(\w+)=(.+)$", EXAMPLE))
    assert len(example) > 10
    done = run_manage("check", environment=interpolated(SECRET_KEY=SECRET, **example))
    assert done.returncode == 0, done.stderr


def test_the_database_is_a_replica_set_that_its_check_makes_and_waits_for() -> None:
    mongo = SERVICES["mongo"]
    name = mongo["command"][mongo["command"].index("--replSet") + 1]
    script = mongo["healthcheck"]["test"][-1]
    assert f'rs.initiate({{_id: "{name}"' in script
    assert "isWritablePrimary ? 0 : 1" in script
    assert interpolated()["MONGODB_URI"].endswith(f"//mongo:27017/?replicaSet={name}")
    assert {volume.partition(":")[0] for volume in mongo["volumes"]} <= set(COMPOSE["volumes"])
    assert "ports" not in mongo, "it has no password and is for the other containers alone"


def test_services_start_after_what_they_need() -> None:
    assert set(SERVICES) == {"mongo", "sandbox", "migrate", "proxy", "web", "worker"}
    for name in ("web", "worker"):
        conditions = {needed: how["condition"] for needed, how in SERVICES[name]["depends_on"].items()}
        assert conditions["migrate"] == "service_completed_successfully"
        assert conditions["mongo"] == conditions["sandbox"] == "service_healthy"
    assert SERVICES["worker"]["command"] == ["python", "manage.py", "run_worker"]
    assert SERVICES["web"].get("command") is None, "it runs what the image runs"
    web = SERVICES["proxy"]["depends_on"]["web"]
    assert web == {"condition": "service_healthy", "restart": True}, "a new `web` may have a new address"


def test_the_proxy_alone_can_be_reached_from_outside() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "proxy": [f"127.0.0.1:${{PORT:-8001}}:{PROXY['environment']['LISTEN']}"]
    }
    assert PROXY["environment"]["UPSTREAM"] == f"web:{ENVIRONMENT['PORT']}"
    assert interpolated()["TRUSTED_PROXIES"] == "1"


def test_the_proxy_runs_the_file_of_the_project_with_all_of_it_filled_in() -> None:
    [volume] = PROXY["volumes"]
    source, target, mode = volume.split(":")
    assert mode == "ro"
    text = (ROOT / source).read_text()
    assert (
        set(re.findall(r"\$\{(\w+)\}", text))
        == {"LISTEN", "UPSTREAM", "API_PREFIX", "LOG"}
        <= set(PROXY["environment"])
    )
    folder = PROXY["environment"]["NGINX_ENVSUBST_OUTPUT_DIR"]
    assert target.startswith("/etc/nginx/templates/"), "where the entrypoint of the image looks"
    written = f"{folder}/{Path(target).name.removesuffix('.template')}"
    assert PROXY["command"] == ["nginx", "-p", folder, "-c", written, "-e", "stderr"]
    assert f"location = {PROXY['healthcheck']['test'][-1].partition(':8080')[2]} {{" in text


def test_the_proxy_has_no_more_rights_than_the_service() -> None:
    for right in ("read_only", "cap_drop", "security_opt"):
        assert PROXY[right] == COMPOSE["x-service"][right], right
    assert PROXY["user"].split(":")[0].isdigit()
    assert PROXY["user"] != "0:0"
    assert "cap_add" not in PROXY
    assert [line.partition(":")[0] for line in PROXY["tmpfs"]] == [PROXY["environment"]["NGINX_ENVSUBST_OUTPUT_DIR"]]


def test_the_sandbox_is_told_what_it_understands() -> None:
    command = SERVICES["sandbox"]["command"]
    port = command[command.index("--port") + 1]
    assert STAND_INS["INVENTORY_SERVICE_URL"] == f"http://sandbox:{port}/api/v1"
    usage = subprocess.run(
        [sys.executable, "-m", "integrations.sandbox", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in (word for word in command if word.startswith("--")):
        assert option in usage.stdout
